"""Reads [[definition, object], ...] from standard input and prints which objects violate schema/output.schema.json.

schema.py SCHEMA: prints a line for each mistake, and nothing without a mistake.
"""

import json
import sys

import jsonschema


def main() -> None:
    schema = json.load(open(sys.argv[1]))
    jsonschema.Draft7Validator.check_schema(schema)
    for name, printed in json.load(sys.stdin):
        if name not in schema["definitions"]:
            print(f"{name}: there is no such definition")
            continue
        validator = jsonschema.Draft7Validator({"$ref": f"#/definitions/{name}", "definitions": schema["definitions"]})
        for mistake in validator.iter_errors(printed):
            print(f"{name}: {'/'.join(map(str, mistake.absolute_path))}: {mistake.message[:300]}")


main()
