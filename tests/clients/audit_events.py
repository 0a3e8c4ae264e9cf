"""Reads FHIR audit events as NDJSON from standard input, validates each, and prints what it read as JSON."""

import json
import sys

from fhir.resources.R4B.auditevent import AuditEvent

events = [AuditEvent.model_validate_json(line) for line in sys.stdin]
print(
    json.dumps(
        [
            {
                "kind": event.subtype[0].code,
                "type": event.type.code,
                "outcome": event.outcome,
                "who": event.agent[0].who.display,
                "details": json.loads(event.entity[0].query),
            }
            for event in events
        ]
    )
)
