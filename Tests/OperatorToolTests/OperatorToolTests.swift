// Tests of module OperatorTool.
