import Glibc
import SimulatedCluster
import Simulation

@main struct Main {
  static func main() {
    Simulation.makeProcessDeterministic()
    guard let command = SimulationCommand(Array(CommandLine.arguments.dropFirst())) else {
      Console.error(SimulationCommand.usage)
      exit(2)
    }
    exit(command.run())
  }
}
