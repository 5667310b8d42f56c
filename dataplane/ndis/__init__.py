"""The driver boundary: OIDs, status codes, and the binary structures in the InformationBuffer.

`status`, `oids` and `constants` have the numbers. `structures` declares every structure as a typed value, and `layout`
computes offsets from the declarations. `codec` turns values into buffers, and buffers into values or failures.
`structured` does the same for JSON; `values` has the spelling of single values. `oob` packs the per-packet out-of-band
slots. `describe` explains a buffer byte by byte. Nothing here knows the state of an adapter.
"""
