"""From an integer graph to a C project and an ELF: IR, reference, packing, planning, emission, build.

Imports neither torch nor swtrain nor sim. The flow is one function per arrow (`design` in CONTRIBUTING.md):
`FloatGraph -> quantize -> Graph -> plan_schedule -> plan_memory -> pack_weights -> emit_project -> build`.
"""
