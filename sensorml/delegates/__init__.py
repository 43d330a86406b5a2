"""Accelerators for TFLite models, from a file in delegates/ to a running engine.

In reading order: a file is a `descriptor`; `checks` are cheap and open nothing;
`qualification` adds the model's file; `auto` opens, compares and measures; `choice`
is the entry for the service. A `device` opens its models in one child process
(`child_engine`, `child_process`, `child_main`), and `failover` runs windows on the
CPU while that does not work.
"""
