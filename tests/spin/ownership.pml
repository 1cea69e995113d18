/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ownership under crashes: two VMs that take, use and give back, a recovering verb, verbs killed at any step, an unbind
 * that hangs in the kernel, and a power cut. Where an event leads, and what recovery does, is not said here: tables.pml is
 * made from the tables that the program runs by (`states pml`).
 *
 * Groups: one of two functions (0), a PF (1) and its VF (2). VM 0 takes for keeps (berth assign), VM 1 for a run (berth
 * run); process 2 only recovers. Each STEP is one thing that is on the disk, or done by the kernel, as a whole; before any
 * of them the process may die.
 *
 *   -DMUTANT_INDEX    whether a group is free is looked up in one step and written in the next, without lock or index
 *   -DMUTANT_BUSY     nobody marks a group as being worked on
 *   -DMUTANT_MEMBERS  only the first function of a group is moved
 *   -DMUTANT_BOOT     recovery believes rows from before the power cut
 *   -DMUTANT_LOCK     whoever waits for a hung unbind keeps the host's lock until it returns
 *   -DFOREVER         an unbind that hangs never returns
 */
#define NR_VMS	  2
#define NR_GROUPS 3
#define NR_FNS	  4
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef HANGS
#define HANGS 1
#endif
#ifndef FAULTS
#define FAULTS 1
#endif

#ifdef PAIR
#define WANTED(me)  0
#define FIRST_GROUP 0
#define LAST_GROUP  0
#else
#define WANTED(me)  (2 - (me))
#define FIRST_GROUP 1
#define LAST_GROUP  2
#endif

#define DRV_HOST 0
#define DRV_NONE 1
#define DRV_VFIO 2
#define CHILD	 9 /* in busy[]: a process left behind in the kernel */

/* What a process is about to do to a row. */
#define J_DONE	   0
#define J_UNTAKE   1
#define J_USED	   2
#define J_GIVE	   3
#define J_REBIND   4
#define J_IDENTITY 5
#define J_TAKE	   6
#define J_MOVING   7
#define J_CLEAN	   8

#define V_RECOVER 0
#define V_TAKE	  1
#define V_START	  2
#define V_STOP	  3
#define V_RELEASE 4

#include "tables.pml"

#define FIRST(g) ((g) == 0 -> 0 : (g) + 1)
#define END(g)	 ((g) + 2)
#ifdef MUTANT_MEMBERS
#define MOVED_END(g) (FIRST(g) + 1)
#else
#define MOVED_END(g) END(g)
#endif
#define I(v, g)	   ((v) * NR_GROUPS + (g))
#define LIVE(g)	   (row[g] != S_HOST || row[NR_GROUPS + (g)] != S_HOST)
#define ON_VFIO(g) (drv[FIRST(g)] == DRV_VFIO && drv[(g) + 1] == DRV_VFIO)
#define HANGING(g) (hung == (g) + 1)

byte row[NR_VMS * NR_GROUPS] = S_HOST; /* the ledger; VM 0's rows are of kind assign, VM 1's of kind run */
bit rowboot[NR_VMS * NR_GROUPS];
byte drv[NR_FNS]; /* the kernel: drivers, */
byte opened[NR_GROUPS]; /* who has the group open: VM + 1, */
byte hung, hungfn; /* and a group whose unbind has not returned: group + 1, and the function */
byte lock; /* the host's: process + 1 */
byte busy[NR_GROUPS]; /* who is at work on a group: process + 1, or CHILD */
bool alive[NR_VMS]; /* the VM's holder lives */
bit boot;
byte crashes, hangs, faults;
byte cut; /* processes that have not noticed the power cut: nobody goes on before they have */
byte to; /* of MOVE; 0 in between */

/* What must never be, looked at after every step that could make it so. */
inline check()
{
	assert(row[0] == S_HOST || row[3] == S_HOST); /* two owners */
	assert(row[1] == S_HOST || row[4] == S_HOST);
	assert(row[2] == S_HOST || row[5] == S_HOST);
	assert(!LIVE(1) || !LIVE(2)); /* the PF and a VF of it */
	assert(opened[0] == 0 || ON_VFIO(0)); /* a split group in use; host-bound and in use */
	assert(opened[1] == 0 || ON_VFIO(1));
	assert(opened[2] == 0 || ON_VFIO(2))
}

/* The table's move for an event; that it has none is an error of the model or of the table. */
inline move(v, g, event)
{
	to = next_state[NEXT(row[I(v, g)], event, v)];
	assert(to != NO_MOVE);
	row[I(v, g)] = to;
	to = 0;
	rowboot[I(v, g)] = boot;
	check()
}

#define STEP(x)                                                                                \
	atomic {                                                                               \
		if                                                                             \
		:: mine != boot -> goto reborn                                                 \
		:: mine == boot && cut == 0 && crashes < CRASHES -> crashes++; goto died       \
		:: mine == boot && cut == 0 -> x                                               \
		fi                                                                             \
	}

#define TAKE_LOCK                                                                              \
	atomic {                                                                               \
		(lock == 0 && cut == 0) || mine != boot;                                       \
		if                                                                             \
		:: mine != boot -> goto reborn                                                 \
		:: else -> lock = me + 1                                                       \
		fi                                                                             \
	}

#ifdef MUTANT_BOOT
#define NEW_BOOT(v, g) 0
#else
#define NEW_BOOT(v, g) (rowboot[I(v, g)] != boot)
#endif

#ifdef MUTANT_BUSY
#define MARK(g) skip
#else
#define MARK(g) busy[g] = me + 1
#endif

/* 0 and 1 are the VMs' verbs and supervisors, 2 is `berth recover`. */
proctype Process(byte me)
{
	byte g, v;  /* the row at hand */
	byte phase; /* 0, 1: recovery of the group's row of that VM; 2: the verb itself */
	byte verb, job, after, fn, drive;
	bit mine;
	bool stuck, err, was_used;

reborn: atomic {
		if
		:: mine != boot -> cut--
		:: else
		fi;
		mine = boot; g = FIRST_GROUP; v = 0; phase = 0; verb = V_RECOVER; job = J_DONE; after = 0; fn = 0; drive = 0;
		stuck = false; err = false; was_used = false;
		if
		:: me == 2
		:: me != 2 ->
			g = WANTED(me);
			if
			:: verb = V_TAKE
			:: verb = V_START
			:: verb = V_RELEASE
			fi
		fi
	};

again:	TAKE_LOCK;
rows:	atomic {
		if
		:: mine != boot -> goto reborn
		:: mine == boot && cut == 0
		fi;
		/* Recovery first: a verb's for the rows of its group, process 2's for all. On to the next row with something to do. */
		job = J_DONE;
		do
		:: phase == 2 -> break
		:: phase < 2 ->
			v = phase;
			if
			:: row[I(v, g)] == S_HOST || busy[g] != 0 -> skip
			:: else ->
				job = remedy[REMEDY(NEW_BOOT(v, g), row[I(v, g)], v, (ON_VFIO(g)), (alive[v] && rowboot[I(v, g)] == boot))];
				if
				:: job != J_DONE -> MARK(g); was_used = (job == J_REBIND && row[I(v, g)] != S_ASSIGNED); goto work
				:: else -> /* a resting state, or a VM at work */
					assert(row[I(v, g)] == S_ASSIGNED || row[I(v, g)] == S_IN_USE ||
					       row[I(v, g)] == S_FAULTED || row[I(v, g)] == S_QUARANTINED);
					assert(row[I(v, g)] != S_ASSIGNED || ON_VFIO(g))
				fi
			fi;
			if
			:: phase == 0 -> phase = 1
			:: phase == 1 && me == 2 && g < LAST_GROUP -> g++; phase = 0
			:: phase == 1 && me == 2 && g == LAST_GROUP -> goto over
			:: phase == 1 && me != 2 -> phase = 2
			fi
		od;
		v = me
	};
	STEP(
		if
		:: verb == V_TAKE && !LIVE(g) && (g == 0 || !LIVE(3 - g)) ->
#ifdef MUTANT_INDEX
			lock = 0;
#else
			MARK(g); move(v, g, E_CLAIM);
#endif
			job = J_TAKE
		:: verb == V_START && busy[g] == 0 &&
		   (row[I(v, g)] == S_ASSIGNED || row[I(v, g)] == S_QUARANTINED) && ON_VFIO(g) ->
			move(v, g, E_START); alive[v] = true; goto over
		:: verb == V_STOP && busy[g] == 0 && row[I(v, g)] == S_IN_USE -> MARK(g); job = J_USED
		:: verb == V_RELEASE && busy[g] == 0 && !opened[g] &&
		   (row[I(v, g)] == S_ASSIGNED || row[I(v, g)] == S_QUARANTINED || row[I(v, g)] == S_FAULTED) ->
			MARK(g);
			if
			:: row[I(v, g)] == S_QUARANTINED && !ON_VFIO(g) -> job = J_REBIND /* to be reset with proof */
			:: job = J_GIVE /* with proof, or without: --unclean */
			fi
		:: else -> goto over
		fi
	);
#ifdef MUTANT_INDEX
	if
	:: job == J_TAKE -> STEP(MARK(g); move(v, g, E_CLAIM))
	:: else
	fi;
#endif

	/* What is done to a row, whoever does it. */
work:	do
	:: job == J_DONE -> break
	:: job == J_UNTAKE -> atomic { drive = DRV_HOST; after = J_UNTAKE; job = J_MOVING; fn = FIRST(g) }
	:: job == J_TAKE -> atomic { drive = DRV_VFIO; after = J_TAKE; job = J_MOVING; fn = FIRST(g) }
	:: job == J_REBIND -> atomic { drive = DRV_VFIO; after = J_REBIND; job = J_MOVING; fn = FIRST(g) }
	:: job == J_GIVE -> STEP(move(v, g, E_GIVE); drive = DRV_HOST; after = J_GIVE; job = J_MOVING; fn = FIRST(g))

	:: job == J_USED && row[I(v, g)] == S_IN_USE -> STEP(move(v, g, E_USER_GONE))
	:: job == J_USED && row[I(v, g)] != S_IN_USE && opened[g] ->
		STEP(if
		     :: opened[g] -> move(v, g, E_STILL_OPEN); job = J_DONE
		     :: else
		     fi)
	:: job == J_USED && row[I(v, g)] == S_RELEASING && !opened[g] -> STEP(move(v, g, E_CLOSED))
	:: job == J_USED && row[I(v, g)] == S_SANITISING && !opened[g] ->
		STEP(if
		     :: v == 0 -> assert(ON_VFIO(g)); move(v, g, E_PROVEN); job = J_DONE
		     :: v == 1 -> job = J_GIVE
		     :: faults < FAULTS -> faults++; move(v, g, E_UNPROVEN); job = J_DONE
		     fi)

	/* All functions are let go before the first is bound. */
	:: job == J_MOVING && fn < MOVED_END(g) ->
		STEP(if
		     :: drv[fn] == drive || drv[fn] == DRV_NONE
		     :: drv[fn] != drive && drv[fn] != DRV_NONE -> drv[fn] = DRV_NONE; check()
		     :: drv[fn] != drive && drv[fn] != DRV_NONE && hangs < HANGS && hung == 0 ->
			hangs++; hung = g + 1; hungfn = fn;
#ifndef MUTANT_LOCK
			lock = 0 /* others go on; the group stays marked */
#endif
		     fi);
		if
		:: HANGING(g) ->
			if
			:: atomic { ((!HANGING(g) && cut == 0) || mine != boot) -> skip }; /* it did return */
#ifndef MUTANT_LOCK
				TAKE_LOCK
#endif
#ifndef MUTANT_LOCK
			:: atomic { stuck = true; job = J_DONE } /* the deadline */
#endif
			fi
		:: else
		fi;
		fn++
	:: job == J_MOVING && fn >= MOVED_END(g) && fn < MOVED_END(g) + MOVED_END(g) - FIRST(g) ->
		STEP(if
		     :: drv[fn - (MOVED_END(g) - FIRST(g))] = drive; check(); fn++
		     :: faults < FAULTS -> faults++; err = true; fn = 99
		     fi)
	:: job == J_MOVING && fn >= MOVED_END(g) + MOVED_END(g) - FIRST(g) ->
		STEP(fn = 0;
		     if
		     :: err && after == J_TAKE -> job = J_UNTAKE
		     :: err && after != J_TAKE && row[I(v, g)] == S_QUARANTINED -> move(v, g, E_UNPROVEN); job = J_DONE
		     :: err && after != J_TAKE && row[I(v, g)] != S_QUARANTINED -> move(v, g, E_FAULT); job = J_DONE
		     :: !err && after == J_UNTAKE -> move(v, g, E_UNDONE); job = J_DONE
		     :: !err && after == J_GIVE -> move(v, g, E_GIVEN); job = J_DONE
		     :: !err && after == J_TAKE && v == 0 -> assert(ON_VFIO(g)); move(v, g, E_BOUND); job = J_DONE
		     :: !err && after == J_TAKE && v == 1 -> assert(ON_VFIO(g)); move(v, g, E_START); alive[v] = true; job = J_DONE
		     :: !err && after == J_REBIND && !was_used ->
			assert(ON_VFIO(g)); move(v, g, E_REBOUND);
			if
			:: phase < 2 -> job = J_DONE
			:: phase == 2 && faults < FAULTS -> faults++; move(v, g, E_UNPROVEN); job = J_DONE
			:: phase == 2 -> job = J_GIVE
			fi
		     :: !err && after == J_REBIND && was_used -> job = J_USED
		     fi;
		     err = false)
	od;

	/* The group is let go: by us, and by a child of ours unless it hangs. After recovery: a resting state. */
	STEP(
		if
		:: busy[g] == me + 1 -> busy[g] = (HANGING(g) -> CHILD : 0)
		:: else
		fi;
		assert(stuck || busy[g] != 0 || phase == 2 || row[I(v, g)] == S_HOST || row[I(v, g)] == S_ASSIGNED ||
		       row[I(v, g)] == S_IN_USE || row[I(v, g)] == S_FAULTED || row[I(v, g)] == S_QUARANTINED);
		was_used = false; after = 0; fn = 0; drive = 0
	);
	if
	:: stuck && me != 2 -> goto over /* the verb ends with an error */
	:: stuck && me == 2 -> TAKE_LOCK; stuck = false
	:: else
	fi;
	if
	:: phase < 2 -> goto rows /* once more: it may be another VM's now, and the row is seen to rest */
	:: else
	fi;

over:	atomic {
		if
		:: mine == boot && lock == me + 1 -> lock = 0
		:: else
		fi;
		stuck = false
	};
	if
	:: me != 2 && verb != V_STOP && alive[me] ->
		/* The VM runs, and ends: closed in order, or with a process that lingers. */
		STEP(if
		     :: row[I(me, g)] == S_IN_USE && opened[g] == 0 && ON_VFIO(g) -> opened[g] = me + 1; check()
		     :: else
		     fi);
		STEP(verb = V_STOP; phase = 2;
		     if
		     :: opened[g] == me + 1 -> opened[g] = 0
		     :: skip
		     fi);
		goto again
	:: me != 2 && verb == V_STOP -> STEP(alive[me] = false)
	:: else
	fi;
	goto reborn;

died:	/* The kernel gives up its locks, but a child in the kernel keeps its group's. */
	atomic {
		if
		:: lock == me + 1 -> lock = 0
		:: else
		fi;
		g = 0;
		do
		:: g < NR_GROUPS ->
			if
			:: busy[g] == me + 1 -> busy[g] = (HANGING(g) -> CHILD : 0)
			:: else
			fi;
			g++
		:: else -> break
		od;
		if
		:: me != 2 -> alive[me] = false
		:: else
		fi
	};
	goto reborn
}

/* What the kernel does by itself: a hung unbind returns, a process that lingers is gone. */
proctype Kernel()
{
end:	do
#ifndef FOREVER
	:: atomic {
		hung != 0 -> drv[hungfn] = DRV_NONE;
		if
		:: busy[hung - 1] == CHILD -> busy[hung - 1] = 0
		:: else
		fi;
		hung = 0; hungfn = 0; check() }
#endif
	:: atomic { cut == 0 && opened[0] != 0 && !alive[opened[0] - 1] -> opened[0] = 0 }
	:: atomic { cut == 0 && opened[1] != 0 && !alive[opened[1] - 1] -> opened[1] = 0 }
	:: atomic { cut == 0 && opened[2] != 0 && !alive[opened[2] - 1] -> opened[2] = 0 }
	od
}

proctype PowerCut()
{
end:	atomic {
		boot == 0 -> boot = 1; cut = 3; lock = 0; hung = 0; hungfn = 0;
		busy[0] = 0; busy[1] = 0; busy[2] = 0;
		opened[0] = 0; opened[1] = 0; opened[2] = 0;
		alive[0] = false; alive[1] = false;
		drv[0] = DRV_HOST; drv[1] = DRV_HOST; drv[2] = DRV_HOST; drv[3] = DRV_HOST
	}
}

init {
	init_tables();
	atomic { run Process(0); run Process(1); run Process(2); run Kernel(); run PowerCut() }
}
