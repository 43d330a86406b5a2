"""Bringing the journal's rows to a sink, however long its server is away.

A sink is a reader of the journal with an offset: rows are sent from the
offset, and the offset moves when the other side has acknowledged them. Nothing
is kept in memory, so an outage costs nothing here. `Policy` decides and is
pure; `Delivery` reads, sends and waits.
"""

from sensorml.delivery.policy import Policy, Status
from sensorml.delivery.runner import Delivery, Report

__all__ = ["Delivery", "Policy", "Report", "Status"]
