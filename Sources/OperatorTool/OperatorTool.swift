// Module OperatorTool.
