import EventLoop
import Testing

@testable import NodeRuntime

@Suite struct ConfigurationTests {
  struct Sample {
    let directory: Option<String>
    let listen: Option<Endpoint>
    let peers: Option<[Endpoint]>
    let limit: Option<Int>
    let size: Option<Int>
    let wait: Option<Duration>
    let open: Option<Bool>
    let level: Option<String>
    let join: Option<Endpoint?>

    init(_ options: inout ConfigurationOptions) {
      directory = options.string("data-directory", default: "data", form: "DIRECTORY", help: "where data lives")
      listen = options.endpoint("listen", default: Endpoint(host: "127.0.0.1", port: 1), help: "own address")
      peers = options.endpoints("peers", help: "the others")
      limit = options.integer("limit", default: 5, in: 1...9, help: "a limit")
      size = options.bytes("size", default: 4096, help: "a size")
      wait = options.duration("wait", default: .seconds(2), help: "a time")
      open = options.boolean("open", default: false, help: "a switch")
      level = options.choice("level", ["low", "high"], default: "low", help: "a word")
      join = options.optionalEndpoint("join", help: "an address or nothing")
    }
  }

  static func parse(
    _ arguments: [String], environment: [String: String] = [:], files: [String: String] = [:]
  ) throws -> (Configuration, Sample) {
    var options = ConfigurationOptions()
    let sample = Sample(&options)
    let request = try options.parse(arguments: arguments, environment: environment) { files[$0] }
    guard case .run(let configuration) = request else { throw ConfigurationError("not run") }
    return (configuration, sample)
  }

  @Test func defaultsHold() throws {
    let (configuration, sample) = try Self.parse([])
    #expect(configuration[sample.directory] == "data")
    #expect(configuration[sample.limit] == 5)
    #expect(configuration[sample.wait] == .seconds(2))
    #expect(configuration[sample.peers] == [])
    #expect(configuration[sample.join] == nil)
    #expect(!configuration.isSet(sample.limit))
  }

  @Test func flagsComeBeforeEnvironmentBeforeFile() throws {
    let file = "# settings\nlimit = 2   # two\n size=64KiB\n\nwait = 250ms\ndata-directory = /var/lib/x y\n"
    let environment = ["THESEUS_LIMIT": "3", "THESEUS_SIZE": "1MiB", "THESEUS_UNKNOWN": "x", "PATH": "/bin"]
    let (configuration, sample) = try Self.parse(
      ["--limit", "4", "--config=f", "--open", "--peers", "a:1, [::1]:2", "--join=c:3"], environment: environment,
      files: ["f": file])
    #expect(configuration[sample.limit] == 4)
    #expect(configuration[sample.size] == 1 << 20)
    #expect(configuration[sample.wait] == .milliseconds(250))
    #expect(configuration[sample.directory] == "/var/lib/x y")
    #expect(configuration[sample.open])
    #expect(configuration[sample.peers] == [Endpoint(host: "a", port: 1), Endpoint(host: "::1", port: 2)])
    #expect(configuration[sample.join] == Endpoint(host: "c", port: 3))
  }

  @Test(arguments: [
    (["--nonsense", "1"], "--nonsense is no flag; see --help"),
    (["stray"], "\"stray\" is not expected; see --help"),
    (["--limit"], "--limit needs a value"),
    (["--limit", "10"], "--limit must be NUMBER, not \"10\""),
    (["--limit", "x"], "--limit must be NUMBER, not \"x\""),
    (["--size", "99999999999999GiB"], "--size must be BYTES, not \"99999999999999GiB\""),
    (["--wait", "-1s"], "--wait must be DURATION, not \"-1s\""),
    (["--listen", "1:2:3"], "--listen must be HOST:PORT, not \"1:2:3\""),
    (["--level", "middle"], "--level must be low|high, not \"middle\""),
    (["--open=maybe"], "--open must be true|false, not \"maybe\""),
    (["--config", "missing"], "cannot read the configuration file missing"),
    (["--config", "bad"], "bad, line 2: \"what\" is not of the form name = value"),
    (["--config", "unknown"], "unknown, line 1: color is no option; see --help"),
    (["--config", "wrong"], "wrong, line 1: limit must be NUMBER, not \"many\""),
  ])
  func wrongSettingsAreOneSentence(arguments: [String], sentence: String) {
    let files = ["bad": "limit = 1\nwhat\n", "unknown": "color = red\n", "wrong": "limit = many"]
    let error = #expect(throws: ConfigurationError.self) { try Self.parse(arguments, files: files) }
    #expect(error?.description == sentence)
  }

  @Test func wrongEnvironmentNamesTheVariable() {
    let error = #expect(throws: ConfigurationError.self) {
      try Self.parse([], environment: ["THESEUS_DATA_DIRECTORY": "d", "THESEUS_LIMIT": ""])
    }
    #expect(error?.description == "THESEUS_LIMIT must be NUMBER, not \"\"")
  }

  @Test func helpNamesEveryOptionWithItsDefault() {
    var options = ConfigurationOptions()
    _ = Sample(&options)
    let help = options.help(program: "theseus-x")
    #expect(help.contains("  --data-directory DIRECTORY\n      where data lives (default: data)\n"))
    #expect(help.contains("--size BYTES\n      a size (default: 4KiB)\n"))
    #expect(help.contains("--wait DURATION\n      a time (default: 2s)\n"))
    for declaration in options.declarations { #expect(help.contains("--\(declaration.name) ")) }
    guard case .help = try? options.parse(arguments: ["--limit", "2", "--help"], environment: [:]) else {
      Issue.record("no help")
      return
    }
  }
}
