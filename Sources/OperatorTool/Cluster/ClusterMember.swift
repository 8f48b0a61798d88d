import EventLoop

/// One process of a local cluster, as `cluster.json` lists it.
package struct ClusterMember: Hashable, Sendable {
  var name: String
  var role: Role
  /// Of the process last started; it may have ended.
  var pid: Int
  var rpc: Endpoint
  /// Gateways only.
  var sql: Endpoint?
  var http: Endpoint
  /// Program and flags, so that the process can be started again as it was.
  var arguments: [String]

  package enum Role: String, CaseIterable, Sendable {
    case metadata = "meta"
    case storage
    case gateway
    case ack

    var program: String { "theseus-\(rawValue)" }

    /// Ids of the members of a role are consecutive from here.
    var firstNodeID: Int {
      switch self {
      case .metadata: 1
      case .storage: 101
      case .gateway: 201
      case .ack: 301
      }
    }

    /// Distance of the role's first RPC port from the port base; gateways' SQL ports start at the base itself.
    var portOffset: Int {
      switch self {
      case .metadata: 100
      case .storage: 200
      case .gateway: 300
      case .ack: 400
      }
    }

    var maximumCount: Int {
      switch self {
      case .metadata: 5
      case .storage, .gateway, .ack: 50
      }
    }
  }
}

extension ClusterMember {
  var json: JSONValue {
    .object([
      JSONMember("name", .string(name)), JSONMember("role", .string(role.rawValue)), JSONMember("pid", .integer(pid)),
      JSONMember("rpc", .string("\(rpc)")), JSONMember("sql", sql.map { .string("\($0)") } ?? .null),
      JSONMember("http", .string("\(http)")), JSONMember("arguments", .array(arguments.map { .string($0) })),
    ])
  }

  init(json: JSONValue) throws(ToolError) {
    guard let name = json["name"]?.text, let role = json["role"]?.text.flatMap(Role.init(rawValue:)),
      let pid = json["pid"]?.whole, let rpc = json["rpc"]?.text.flatMap({ Endpoint($0) }),
      let http = json["http"]?.text.flatMap({ Endpoint($0) })
    else { throw ToolError("cluster.json lists a process without name, role, pid, rpc or http") }
    self.init(
      name: name, role: role, pid: pid, rpc: rpc, sql: json["sql"]?.text.flatMap { Endpoint($0) }, http: http,
      arguments: (json["arguments"]?.elements ?? []).compactMap(\.text))
  }
}

/// The content of `cluster.json`: a list of members.
package struct ClusterDescription: Hashable, Sendable {
  var members: [ClusterMember]

  init(members: [ClusterMember]) { self.members = members }

  package init(decoding bytes: [UInt8]) throws(ToolError) {
    guard let rows = try JSONParser.parse(bytes).elements else { throw ToolError("cluster.json is no list") }
    members = []
    for row in rows { members.append(try ClusterMember(json: row)) }
  }

  package var text: String { JSONValue.array(members.map(\.json)).formatted() + "\n" }
}
