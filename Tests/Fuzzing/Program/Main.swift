#if !FUZZING
  import FuzzTargets
  import Glibc

  /// The targets without libFuzzer: replays inputs, writes seeds.
  @main struct Main {
    static let usage = """
      theseus-fuzz --list                 the targets
      theseus-fuzz --seeds DIRECTORY      writes the seeds of each target to DIRECTORY/TARGET
      theseus-fuzz TARGET FILE|DIRECTORY… runs the inputs; the last one named is the one that failed
      """

    static func main() {
      let arguments = Array(CommandLine.arguments.dropFirst())
      switch arguments.first {
      case "--list" where arguments.count == 1: for target in FuzzTarget.all { InputFile.say(target.name) }
      case "--seeds" where arguments.count == 2: writeSeeds(arguments[1])
      case let name?:
        guard let target = FuzzTarget.named(name) else { fallthrough }
        replay(target, arguments.dropFirst())
      case nil:
        InputFile.say(usage)
        exit(2)
      }
    }

    private static func writeSeeds(_ directory: String) {
      for target in FuzzTarget.all + FuzzTarget.planted {
        mkdir("\(directory)/\(target.name)", 0o755)
        for (number, seed) in target.seeds().enumerated() {
          guard InputFile.write(seed, to: "\(directory)/\(target.name)/seed-\(number + 1)") else {
            InputFile.say("cannot write to \(directory)")
            exit(1)
          }
        }
      }
    }

    private static func replay(_ target: FuzzTarget, _ paths: ArraySlice<String>) {
      var count = 0
      for path in paths.flatMap({ InputFile.inputs(at: $0) }) {
        guard let bytes = InputFile.read(path) else {
          InputFile.say("cannot read \(path)")
          exit(1)
        }
        InputFile.say(path)
        target.run(bytes)
        count += 1
      }
      InputFile.say("\(count) inputs passed")
    }
  }
#endif
