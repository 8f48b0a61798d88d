import OperatorTool

@main
struct Main {
  static func main() { OperatorTool.main() }
}
