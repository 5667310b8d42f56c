"""What crosses the driver boundary: OIDs, status codes, and the binary structures in the InformationBuffer.

`status`, `oids` and `constants` are the numbers; `structures` declares every structure as a typed value (`layout` is
how declarations become offsets); `codec` turns values into buffers and buffers into values or failures; `structured`
does the same for JSON, with the spelling of single values in `values`; `oob` packs the per-packet out-of-band slots;
`describe` explains a buffer byte by byte. Nothing here knows an adapter's state.
"""
