"""Lays out the JSON Schemas that kubeconform reads, strict: unknown fields are refused.

Usage: kubernetes_schemas.py OUT KUBERNETES VERSION,… FILE…
  OUT/kubernetes/<version>/<kind>-<group>-<version>.json   of Kubernetes itself, from the folder KUBERNETES
  OUT/others/<group>/<kind>_<version>.json                 of each CustomResourceDefinition in the files
  OUT/definitions/<name>.json                              each definition itself, for a real API server
"""

import json
import pathlib
import sys

from ruamel.yaml import YAML


def strict(schema):
    """Refuses what the schema does not name, as the API server does with field validation `Strict`."""
    if not isinstance(schema, dict):
        return schema
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("type", None)
        schema.pop("anyOf", None)
        schema["oneOf"] = [{"type": "integer"}, {"type": "string"}]
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields", False)
    properties = schema.get("properties")
    if properties is not None:
        schema["properties"] = {name: strict(value) for name, value in properties.items()}
        if not open_ended and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if key in schema:
            schema[key] = strict(schema[key])
    return schema


def kubernetes(out, folder, version):
    """Schemas that refer to one another by file, and not by addresses that would have to be fetched."""
    found = pathlib.Path(folder) / f"v{version}-local-strict"
    into = pathlib.Path(out) / "kubernetes" / version
    into.mkdir(parents=True, exist_ok=True)
    for file in found.glob("*.json"):
        schema = json.loads(file.read_text(encoding="utf-8").replace('"/api/_definitions.json#', '"_definitions.json#'))
        schema.pop("$id", None)
        (into / file.name).write_text(json.dumps(schema), encoding="utf-8")


def main(out, folder, versions, files):
    for version in versions.split(","):
        kubernetes(out, folder, version)
    yaml = YAML(typ="safe", pure=True)
    # YAML 1.1 gives a lone `=` a type of its own; here it is an operator of a label matcher.
    yaml.constructor.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))
    written = 0
    for file in files:
        for document in yaml.load_all(pathlib.Path(file).read_text(encoding="utf-8")):
            if not document or document.get("kind") != "CustomResourceDefinition":
                continue
            whole = pathlib.Path(out) / "definitions" / f"{document['metadata']['name']}.json"
            whole.parent.mkdir(parents=True, exist_ok=True)
            whole.write_text(json.dumps(document), encoding="utf-8")
            spec = document["spec"]
            for version in spec["versions"]:
                schema = strict(version["schema"]["openAPIV3Schema"])
                # What every object has, whatever its definition says of it.
                schema["properties"].update(
                    {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
                )
                name = f"{spec['names']['kind'].lower()}_{version['name']}.json"
                path = pathlib.Path(out) / "others" / spec["group"] / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(schema), encoding="utf-8")
                written += 1
    if written == 0:
        sys.exit("no definition was found")
    print(f"tools: {written} schemas written", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:4], sys.argv[4:])
