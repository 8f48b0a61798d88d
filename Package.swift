// swift-tools-version: 6.2
// The architecture in code: one row per module, grouped by layer; arrows point down only (README, "Map of the house").

import PackageDescription

/// Cores: values and pure state machines. No C, no I/O, no clock, no randomness; `.ci/check-layers` enforces it.
func core(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: commonSettings + [.strictMemorySafety()])
}

/// Adapters own one foreign thing each; nodes drive cores with adapters.
func shell(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: commonSettings)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, swiftSettings: commonSettings)
}

func tests(_ module: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
  .testTarget(
    name: "\(module)Tests", dependencies: [.byName(name: module)] + dependencies, exclude: exclude,
    swiftSettings: commonSettings)
}

let commonSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  // Isolation, which Swift 6 mode proves when it compiles, is checked again at run time by debug builds, and so by all unit
  // tests, but not by release builds. Exclusive access to memory, which it cannot always prove, is checked by both.
  .unsafeFlags(["-disable-dynamic-actor-isolation"], .when(configuration: .release)),
]

let foreign: [Target] = [
  .systemLibrary(name: "CUV", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
  .systemLibrary(name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
  .systemLibrary(name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
  .systemLibrary(name: "CRocksDB", pkgConfig: "rocksdb", providers: [.apt(["librocksdb-dev"])]),
  .systemLibrary(name: "CPgQuery", providers: [.apt(["libpg-query-dev"])]),
  .target(name: "CPlatform", dependencies: ["CUV"]),
  .target(name: "CWire", dependencies: ["CProtobufC"]),
]

let cores: [Target] = [
  core("Basics"),
  core("SQLValues", ["Basics"]),
  core("SQLSyntax", ["Basics"]),
  core("PostgresProtocol", ["Basics"]),
  core("Raft", ["Basics"]),
  core("Convergence", ["Basics"]),
  core("Verification", ["Basics"]),
  core("Transactions", ["Basics"]),
  core("SQLExpressions", ["Basics", "SQLValues"]),
  core("Catalog", ["Basics", "SQLValues"]),
  core("KeyValue", ["Basics", "SQLValues", "SQLExpressions", "Catalog"]),
  core("SchemaChange", ["Basics", "SQLValues", "SQLExpressions", "Catalog"]),
  core("Metadata", ["Basics", "SQLValues", "Catalog", "SchemaChange", "Convergence"]),
  core("SQLPlanner", ["Basics", "SQLValues", "SQLExpressions", "SQLSyntax", "Catalog", "SchemaChange"]),
  core("SQLExecution", ["Basics", "SQLValues", "SQLExpressions", "SQLPlanner", "Catalog", "KeyValue"]),
]

let adapters: [Target] = [
  shell("EventLoop", ["Basics", "CUV", "CPlatform"]),
  shell("Wire", ["Basics", "CWire", "CProtobufC"]),
  shell("RPC", ["Basics", "EventLoop", "Wire", "CNghttp2"]),
  shell("RocksEngine", ["Basics", "CRocksDB", "EventLoop"]),
  shell("PostgresParser", ["Basics", "SQLSyntax", "CProtobufC", "CPgQuery", "EventLoop"]),
  shell("NodeRuntime", ["Basics", "EventLoop", "RPC", "Wire", "CPlatform"]),
  shell("Replication", ["Basics", "Raft", "RocksEngine", "EventLoop", "RPC", "Wire", "NodeRuntime"]),
  shell(
    "ClusterClient", ["Basics", "SQLValues", "Catalog", "KeyValue", "Convergence", "EventLoop", "RPC", "Wire"]),
  shell("PostgresClient", ["Basics", "EventLoop", "PostgresProtocol"]),
  shell("Simulation", ["Basics", "EventLoop", "CPlatform"]),
]

let nodes: [Target] = [
  shell(
    "MetadataNode",
    [
      "Basics", "Catalog", "SchemaChange", "Convergence", "Metadata", "Raft", "Replication", "RocksEngine", "EventLoop",
      "RPC", "Wire", "NodeRuntime",
    ]),
  shell(
    "StorageNode",
    [
      "Basics", "SQLValues", "SQLExpressions", "Catalog", "KeyValue", "Transactions", "Raft", "Replication",
      "RocksEngine", "ClusterClient", "EventLoop", "RPC", "Wire", "NodeRuntime",
    ]),
  shell(
    "GatewayNode",
    [
      "Basics", "SQLValues", "SQLExpressions", "SQLSyntax", "SQLPlanner", "SQLExecution", "Catalog", "SchemaChange",
      "KeyValue", "Transactions", "PostgresProtocol", "PostgresParser", "ClusterClient", "EventLoop", "RPC", "Wire",
      "NodeRuntime",
    ]),
  shell("AckNode", ["Basics", "Convergence", "EventLoop", "RPC", "Wire", "NodeRuntime"]),
  shell(
    "SimulatedCluster",
    [
      "Basics", "EventLoop", "Simulation", "RocksEngine", "NodeRuntime", "MetadataNode", "StorageNode", "GatewayNode",
      "AckNode", "PostgresClient", "Verification", "Catalog", "SchemaChange",
    ]),
  shell(
    "OperatorTool",
    [
      "Basics", "EventLoop", "RPC", "Wire", "NodeRuntime", "PostgresClient", "PostgresParser", "PostgresProtocol",
      "SQLSyntax",
    ]),
]

let programs: [Target] = [
  program("theseus-meta", ["MetadataNode", "NodeRuntime"]),
  program("theseus-gateway", ["GatewayNode", "NodeRuntime"]),
  program("theseus-storage", ["StorageNode", "NodeRuntime"]),
  program("theseus-ack", ["AckNode", "NodeRuntime"]),
  program("theseus", ["OperatorTool", "NodeRuntime"]),
  .executableTarget(
    name: "theseus-simulation", dependencies: ["SimulatedCluster", "Simulation"], swiftSettings: commonSettings,
    linkerSettings: [
      // One thread does everything: calls into Swift's runtime and its thread-locals cost less without the linkage tables.
      .unsafeFlags(["-static-stdlib"], .when(configuration: .release))
    ]),
]

let testTargets: [Target] = [
  .executableTarget(
    name: "rpc-echo", dependencies: ["EventLoop", "RPC", "Wire"], path: "Tests/Support/RPCEcho",
    swiftSettings: commonSettings),
  .executableTarget(
    name: "simulation-scenarios", dependencies: ["EventLoop", "Simulation", "RPC", "Wire", "Basics"],
    path: "Tests/Support/SimulationScenarios", swiftSettings: commonSettings),
  .target(name: "ChildProgram", path: "Tests/Support/ChildProgram", swiftSettings: commonSettings),
  .target(
    name: "FuzzTargets",
    dependencies: [
      "Basics", "Catalog", "Convergence", "EventLoop", "GatewayNode", "KeyValue", "Metadata", "MetadataNode",
      "NodeRuntime", "OperatorTool", "PostgresParser", "PostgresProtocol", "RPC", "Raft", "Replication", "RocksEngine",
      "SQLExpressions", "SQLPlanner", "SQLSyntax", "SQLValues", "SchemaChange", "Transactions", "Verification", "Wire",
    ], path: "Tests/Fuzzing/Targets", swiftSettings: commonSettings),
  .executableTarget(
    name: "theseus-fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzzing/Program", swiftSettings: commonSettings),
  tests("Basics"),
  tests("SQLValues"),
  tests("SQLSyntax"),
  tests("PostgresProtocol"),
  tests("Raft", ["Basics"], exclude: ["Scenarios"]),
  tests("Convergence"),
  tests("Verification", ["Basics"]),
  tests("Transactions"),
  tests("SQLExpressions", ["SQLValues", "Basics"]),
  tests("Catalog", ["SQLValues", "Basics"]),
  tests("KeyValue", ["SQLValues", "SQLExpressions", "Catalog", "Basics"]),
  tests(
    "SchemaChange",
    ["SQLValues", "SQLExpressions", "SQLSyntax", "SQLPlanner", "Catalog", "PostgresParser", "Basics"],
    exclude: ["Golden"]),
  tests("Metadata", ["SQLValues", "Catalog", "SchemaChange", "Convergence", "Basics"]),
  tests(
    "SQLPlanner", ["SQLValues", "SQLExpressions", "SQLSyntax", "Catalog", "SchemaChange", "PostgresParser", "Basics"]),
  tests(
    "SQLExecution", ["SQLValues", "SQLExpressions", "SQLPlanner", "Catalog", "KeyValue", "PostgresParser", "Basics"],
    exclude: ["Golden"]),
  tests("EventLoop"),
  tests("Wire"),
  tests("RPC", ["EventLoop", "Wire", "Basics"]),
  tests("RocksEngine", ["EventLoop", "Basics"]),
  tests("PostgresParser", ["SQLSyntax"]),
  tests("NodeRuntime"),
  tests("Replication", ["Raft", "RocksEngine", "EventLoop", "RPC", "Wire", "Basics"]),
  tests("ClusterClient", ["EventLoop", "RPC", "Wire", "Basics"]),
  tests("GatewayNode"),
  tests(
    "StorageNode",
    [
      "Basics", "SQLValues", "SQLExpressions", "Catalog", "KeyValue", "Transactions", "ClusterClient", "EventLoop",
      "RPC", "RocksEngine", "Wire",
    ]),
  tests("MetadataNode", ["SQLValues", "Catalog", "SchemaChange", "EventLoop", "RPC", "Wire", "Basics"]),
  tests("AckNode", ["Convergence", "EventLoop", "RPC", "Wire", "Basics"]),
  tests("OperatorTool"),
  tests("Simulation", ["ChildProgram"], exclude: ["Scenarios"]),
  tests("FuzzTargets", ["ChildProgram"]),
]

let package = Package(
  name: "theseus",
  targets: foreign + cores + adapters + nodes + programs + testTargets
)
