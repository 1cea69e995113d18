#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/policy.schema.json and the loader say the same.

1. The keys of every object, and which of them are required, are those of the loader's tables; so are the attributes.
2. Every case of tests/data/policy/*.json, every example, and every mutant of the complete policy in them (each key
   missing, each value of every other type, an unknown key in each object) gets the same verdict from both.

The loader may refuse what the schema accepts only for a reason that a schema cannot say: BEYOND lists them.
"""
import copy
import glob
import json
import os
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    sys.exit("policy_schema.py: python3-jsonschema is not installed; 'make deps' does that")

BUILD = os.environ.get("BERTH_BUILD", "build/gcc")
KEYS = os.path.join(BUILD, "tests", "policy_keys")

# What the loader says about things that no schema can: other entries, the calendar, brackets of patterns.
BEYOND = (
    "in the policy", "already", "there are both a class and a pool", "the claim has no request",
    "\"each\" pairs", "relaxes a constraint", "\"until\" must be later", "must be a time with an offset",
    "must be a duration", "never closed", "the \"max_priority\" of the tenant", "is larger than \"le\"",
    "must be isolated, multifunction", "must be \"VENDOR:DEVICE\"", "is nested deeper", "more than 256 attributes",
    "a range such as",
)
passed = failed = 0


def check(good, what, detail=""):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print("not ok - %s%s" % (what, ": " + detail if detail else ""))


def loader_verdicts(policies):
    """What the loader says about each: "ok", or its error."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i, policy in enumerate(policies):
            paths.append("%s/%d.json" % (folder, i))
            with open(paths[-1], "w", encoding="utf-8") as f:
                json.dump(policy, f)
        lines = []
        for start in range(0, len(paths), 500):
            out = subprocess.run([KEYS] + paths[start:start + 500], check=True, capture_output=True, text=True)
            lines += out.stdout.splitlines()
        return lines


def compare(schema, cases):
    """@cases: (what, policy, wanted verdict or None)."""
    validator = jsonschema.Draft7Validator(schema)
    verdicts = loader_verdicts([policy for _, policy, _ in cases])
    check(len(verdicts) == len(cases), "every case has a verdict")
    for (what, policy, wanted), said in zip(cases, verdicts):
        loads, valid = said == "ok", validator.is_valid(policy)
        beyond = not loads and any(text in said for text in BEYOND)
        if wanted is not None:
            check(loads == wanted, what, said)
        check(valid == loads or (valid and beyond), what,
              "the schema %s it, the loader says: %s" % ("accepts" if valid else "refuses", said))


# --- 1: the tables ---

def compare_keys(schema, tables):
    definitions = dict(schema["definitions"], policy=schema)
    for name, keys in tables["objects"].items():
        definition = definitions.get(name)
        check(definition is not None, "the schema has \"%s\"" % name)
        if not definition:
            continue
        check(set(definition["properties"]) == set(keys), "keys of %s" % name,
              str(set(definition["properties"]) ^ set(keys)))
        check(set(definition.get("required", [])) == {k for k, needed in keys.items() if needed},
              "required keys of %s" % name)
        check(definition["additionalProperties"] is False, "%s has no other keys" % name)
        for key, value in definition["properties"].items():
            text = value.get("description") or definitions[value.get("$ref", "/").split("/")[-1]].get("description")
            check(text, "%s of %s has a description" % (key, name))
    attributes = set(tables["attributes"])
    inside = set(schema["definitions"]["match_inside"]["properties"])
    check(inside == attributes | {"any", "all", "not"}, "attributes", str(inside ^ attributes))
    check(set(schema["definitions"]["attribute"]["enum"]) == attributes, "attributes of constraints")


# --- 2: mutants ---

WRONG = [None, True, -1, 0, 7.5, 10**9, "", "x", "@x", [], [[]], {}, {"x": 1}]

# What the entries of the complete policy refer to, as small as it can be said.
NEEDED = {
    "devices": [{"name": "nic-0", "match": {"any_device": True}}],
    "classes": [{"name": "gpu", "match": {"any_device": True}}, {"name": "vf", "match": {"any_device": True}}],
    "pools": [{"name": "train", "class": "gpu"}],
    "tenants": [{"name": "ml", "vms": "ml-*"}],
}


def small_ones(policy):
    """The policy, one entry at a time, with what it needs: (way to the entry, small policy)."""
    for section, entries in policy.items():
        whole = not isinstance(entries, list) or section == "comment"
        for i in range(1 if whole else len(entries)):
            small = dict({"version": 1}, **{k: v for k, v in NEEDED.items() if k != section})
            small[section] = entries if whole else [entries[i]]
            if section == "classes":
                small[section] = small[section] + [c for c in NEEDED["classes"] if c["name"] != entries[i]["name"]]
            if section == "pools":
                del small["tenants"]
            yield (section,), small


def places(value, way=()):
    """Every way into a policy, the inside of comments aside."""
    yield way
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, way + (key,))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from places(inner, way + (i,))


def at(policy, way):
    for step in way:
        policy = policy[step]
    return policy


def mutants(name, policy):
    for section, small in small_ones(policy):
        yield from mutants_below(name, small, section)


def mutants_below(name, policy, section):
    for way in places(policy):
        if way[:1] != section or (section == ("classes",) and way[1:2] not in ((), (0,))):
            continue
        where = "%s: /%s" % (name, "/".join(map(str, way)))
        if isinstance(at(policy, way), dict) and "quota" not in way[-1:]:
            changed = copy.deepcopy(policy)
            at(changed, way)["colour"] = "blue"
            yield where + " with an unknown key", changed, None
        if not way:
            continue
        changed = copy.deepcopy(policy)
        del at(changed, way[:-1])[way[-1]]
        yield where + " missing", changed, None
        for wrong in WRONG:
            changed = copy.deepcopy(policy)
            at(changed, way[:-1])[way[-1]] = wrong
            yield "%s = %s" % (where, json.dumps(wrong)), changed, None


def main():
    with open("docs/policy.schema.json", encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft7Validator.check_schema(schema)
    tables = json.loads(subprocess.run([KEYS], check=True, capture_output=True, text=True).stdout)
    compare_keys(schema, tables)

    cases = []
    for path in sorted(glob.glob("tests/data/policy/*.json")):
        with open(path, encoding="utf-8") as f:
            for case in json.load(f):
                cases.append(("%s: %s" % (os.path.basename(path), case["what"]), case["policy"], case["valid"]))
    check(len(cases) > 100, "the corpus is there")
    used = {(name, key) for name, keys in tables["objects"].items() for key in keys}
    check_used(used, [policy for _, policy, valid in cases if valid])
    for path in sorted(glob.glob("docs/examples/policy-*.json")):
        with open(path, encoding="utf-8") as f:
            cases.append((path, json.load(f), True))
    complete = [case for case in cases if "complete" in case[0]]
    check(len(complete) >= 1, "there is a complete policy")
    nr = len(cases)
    for what, policy, _ in complete:
        cases += mutants(what, policy)
    compare(schema, cases)
    print("%d cases and %d mutants compared" % (nr, len(cases) - nr))
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return failed > 0


def check_used(keys, policies):
    """Every key of every object occurs in a valid case."""
    seen = set()

    def walk(value):
        if isinstance(value, dict):
            seen.update(value)
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)
    for policy in policies:
        walk(policy)
    for name, key in sorted(keys):
        check(key in seen, "a valid case has \"%s\" of %s" % (key, name))


sys.exit(main())
