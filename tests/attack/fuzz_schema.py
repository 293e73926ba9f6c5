"""The messages of the APIs that raw_schema.py does not speak, from the product's own schema.

raw_schema.py is written by hand, so that it is a second opinion about the wire; but it may lag
behind what a broker advertises.  The fuzzer speaks whatever is advertised: apis() has an entry for
each key, by hand where the versions suffice, else made from net/protocol/schema.
"""
import pathlib
import sys

import raw

PROTOCOL = pathlib.Path(__file__).resolve().parents[2] / "net" / "protocol"
sys.path.insert(0, str(PROTOCOL))

import generate  # noqa: E402

KINDS = {"int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint16": "u16",
         "float64": "f64", "bool": "bool", "uuid": "uuid", "string": "string", "bytes": "bytes",
         "records": "bytes"}
NEVER = 1000


class Field:
    """What raw.py wants to know of a field."""

    def __init__(self, field):
        self.name = "".join(part.capitalize() for part in field.name.split("_"))
        self.versions = field.versions
        self.tag = field.tag if field.tagged else None
        self.is_array = field.array
        self.fields = [Field(inner) for inner in field.struct.fields] if field.struct else []
        self.kind = "struct" if field.struct else KINDS[field.type]
        text = field.default
        if text is None and field.struct and field.null:
            text = "null"
        self.default = raw.default_of(self, text)

    def in_version(self, version):
        return generate.has(self.versions, version)


class Api:
    def __init__(self, file):
        request, response = sorted(file.messages, key=lambda message: message.kind)
        self.key, self.name = file.api.key, file.api.name
        self.min, self.max = request.versions
        self.flexible_from = NEVER if request.flexible is None else request.flexible
        self.request = [Field(field) for field in request.body.fields]
        self.response = [Field(field) for field in response.body.fields]


def apis(advertised):
    """{key: api} for all that is advertised ({key: (least, greatest version)}); KeyError: one is in
    no schema."""
    made = {}
    for path in sorted((PROTOCOL / "schema" / "api").glob("*.schema")):
        file = generate.SchemaFile(str(path))
        if file.api is not None and file.api.key in advertised:
            made[file.api.key] = Api(file)
    for key, (low, high) in advertised.items():
        by_hand = raw.APIS.get(key)
        if by_hand is not None and by_hand.min <= low and high <= by_hand.max:
            made[key] = by_hand
    missing = set(advertised) - set(made)
    if missing:
        raise KeyError("advertised, and in no schema: %s" % sorted(missing))
    return made
