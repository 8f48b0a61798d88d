import Basics
import EventLoop
import NodeRuntime
import OperatorTool
import Verification

/// Texts: flags, configuration files, `cluster.json`, schedules of faults.
let textTargets: [FuzzTarget] = [
  FuzzTarget("configuration", seeds: configurationSeeds, run: runConfiguration),
  FuzzTarget(
    "cluster-json", seeds: { [Array(clusterText.utf8), Array("[1, -2.5e3, \"\\u00e9\\n\", {}, [], null]".utf8)] }
  ) {
    checkClusterDescription($0)
  },
  FuzzTarget("schedule", seeds: { scheduleSeeds.map { Array($0.utf8) } }, run: runSchedule),
]

private func checkClusterDescription(_ bytes: [UInt8]) {
  guard let description = try? ClusterDescription(decoding: bytes) else { return }
  let text = description.text
  require((try? ClusterDescription(decoding: Array(text.utf8))) == description, "written and read again: \(text)")
}

private let clusterText = """
  [
    {"name": "meta-1", "role": "meta", "pid": 7, "rpc": "127.0.0.1:26357", "sql": null, "http": "127.0.0.1:26358", "arguments": ["a", "--b"]},
    {"name": "gateway-1", "role": "gateway", "pid": 8, "rpc": "[::1]:1", "sql": "localhost:26257", "http": "h:2", "arguments": []}
  ]
  """

// MARK: - Configuration

private struct Options: Sendable {
  var options = ConfigurationOptions()
  let name: Option<String>
  let count: Option<Int>
  let isOn: Option<Bool>
  let wait: Option<Duration>
  let size: Option<Int>
  let listen: Option<Endpoint>
  let other: Option<Endpoint?>
  let peers: Option<[Endpoint]>
  let level: Option<String>

  init() {
    name = options.string("name", default: "", help: "")
    count = options.integer("count", default: 1, in: 1...100, help: "")
    isOn = options.boolean("is-on", default: false, help: "")
    wait = options.duration("wait", default: .seconds(1), help: "")
    size = options.bytes("size", default: 64 << 20, in: 1...Int.max, help: "")
    listen = options.endpoint("listen", default: Endpoint(host: "h", port: 1), help: "")
    other = options.optionalEndpoint("other", help: "")
    peers = options.endpoints("peers", help: "")
    level = options.choice("level", ["info", "error"], default: "info", help: "")
  }
}

private let options = Options()

/// First byte: how many of the lines that follow are flags; the rest is the file.
private func runConfiguration(_ bytes: [UInt8]) {
  var input = FuzzInput(bytes)
  let flags = Int(input.byte() % 8)
  let lines = input.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  let file = lines.dropFirst(flags).joined(separator: "\n")
  let arguments = lines.prefix(flags) + ["--config", "f"]
  guard
    case .run(let configuration)? = try? options.options.parse(
      arguments: Array(arguments), environment: ["THESEUS_NAME": lines.last ?? ""], readFile: { _ in file })
  else { return }
  require((1...100).contains(configuration[options.count]), "a number lies within its limits")
  require(configuration[options.size] >= 1, "a size lies within its limits")
  require(configuration[options.wait] >= .zero, "a duration is not negative")
  _ = configuration[options.wait].wholeMilliseconds
  require(["info", "error"].contains(configuration[options.level]), "a choice is one of the words")
  for endpoint in [configuration[options.listen], configuration[options.other]].compactMap({ $0 })
    + configuration[options.peers]
  {
    require(Endpoint(endpoint.description) == endpoint, "\(endpoint) is printed and read again")
  }
}

private func configurationSeeds() -> [[UInt8]] {
  [
    [2] + Array("--name=n\n--is-on\n# comment\ncount = 7\nwait = 250ms\nsize = 64KiB\n".utf8),
    [3] + Array("--peers\na:1,[::1]:2\n--level=error\nlisten = 10.0.0.1:80\nother =\n".utf8),
    [0] + Array("wait = 1h\nsize = 1GiB # much\r\nis-on = off\n".utf8),
  ]
}

// MARK: - Schedules

private func runSchedule(_ bytes: [UInt8]) {
  guard let schedule = try? Schedule(parsing: String(decoding: bytes, as: UTF8.self)) else { return }
  let text = schedule.description
  require((try? Schedule(parsing: text)) == schedule, "a schedule is printed and read again:\n\(text)")
  var last: UInt64 = 0
  let events = schedule.events(until: 10_000_000_000)
  require(events.count <= schedule.lines.count * Schedule.maximumLines, "a line happens a bounded number of times")
  for event in events {
    require(event.at >= last && event.at < 10_000_000_000, "events come in their order, before the end")
    last = event.at
  }
}

private let scheduleSeeds = [
  "at 1s kill storage-1\nat 2.5s restart storage-1\n", "every 500ms from 1s until 3s pause gateway-1 for 100ms # often",
  "at 0s cut meta-1 storage-2\nat 3s heal\n",
]
