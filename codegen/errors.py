"""Exceptions of `codegen`.

    CodegenError
        GraphError          a graph breaks an invariant (shape, type, order, range, overflow bound)
        GraphFileError      a saved graph or project is missing, corrupt or of another format version
        UnsupportedOp       an operator or attribute has no implementation
        OnnxError           a file is no ONNX model that can be imported: damaged, dynamic, of another opset, ...
        DoesNotFit          a tensor, tile or section exceeds a memory region
        TargetError         a board or its target.toml is unknown or contradictory
        ToolchainError      a compiler is missing or failed
        OutputError         an output folder or file can't be written

A message says where, what, the limit and the next step, in one sentence.
"""


class CodegenError(Exception):
    """Base of every error that `codegen` raises on purpose."""


class GraphError(CodegenError, ValueError):
    """A graph breaks one of its invariants."""


class GraphFileError(CodegenError):
    """A saved graph or project can't be read."""


class UnsupportedOp(CodegenError, NotImplementedError):
    """No implementation for an operator, an attribute or an encoding."""


class OnnxError(CodegenError):
    """A file is no ONNX model, or one that can't be imported as it is."""


class DoesNotFit(CodegenError):
    """Something is larger than the memory that must hold it."""


class TargetError(CodegenError):
    """A board is unknown, or its target.toml contradicts itself."""


class ToolchainError(CodegenError):
    """A compiler, assembler or linker is missing or reported an error."""


class OutputError(CodegenError, OSError):
    """An output can't be written."""
