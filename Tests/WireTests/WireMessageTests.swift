import Basics
import Testing
import Wire

@Suite struct WireMessageTests {
  /// One message with every kind of field that `proto/` uses.
  static let sample = JobInfo(
    jobID: 7, operationID: "operation", statement: "a\u{0}b", tableName: "über", step: 3, rowsDone: UInt64.max,
    error: SQLErrorMessage(state: "40001"),
    history: [JobStepInfo(name: "one"), JobStepInfo(), JobStepInfo(name: "three", schemaIndex: 9)])

  @Test func valuesSurvive() throws {
    #expect(try JobInfo(serialized: Self.sample.serialized()) == Self.sample)
    #expect(try Empty(serialized: Empty().serialized()) == Empty())
    let response = GetResponse(
      error: RangeError(kind: .unrecognized(77), key: [0, 1, 255], lock: LockInfo(key: [])),
      results: [GetResult(isPresent: true, value: [1, 2], commitTimestamp: 1 << 63), GetResult()])
    #expect(try GetResponse(serialized: response.serialized()) == response)
    let locks = AcquireLocksResponse(error: nil, newestCommitTimestamps: [0, 1, UInt64.max])
    #expect(try AcquireLocksResponse(serialized: locks.serialized()) == locks)
    let keys = GetRequest(keys: [[], [1], Array(repeating: 2, count: 1_000_000)])
    #expect(try GetRequest(serialized: keys.serialized()) == keys)
    let many = AckBatch(acks: (0..<50_000).map { AckMessage(nodeID: $0, held: [HeldPin(tableID: $0)]) })
    #expect(try AckBatch(serialized: many.serialized()) == many)
  }

  @Test func encodingIsProtocolBuffers() throws {
    #expect(WaitsForRequest(startTimestamp: 300).serialized() == [0x08, 0xac, 0x02])
    #expect(HealthCheckRequest(service: "ab").serialized(prefixLength: 2) == [0, 0, 0x0a, 2, 0x61, 0x62])
    // Defaults take no bytes; unknown fields are skipped.
    #expect(HealthCheckResponse(status: .unknown).serialized() == [])
    #expect(
      try HealthCheckResponse(serialized: [0x98, 0x06, 0x01, 0x08, 0x01]) == HealthCheckResponse(status: .serving))
  }

  @Test(
    arguments: [
      [0x0a, 5, 0x61],  // shorter than its length says
      [0x0a, 2, 0xc3, 0x28],  // not UTF-8
      [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 0],  // a length of 4 GiB
      [0xff],
    ] as [[UInt8]])
  func malformedBytesAreRefused(bytes: [UInt8]) {
    #expect(throws: MalformedBytes.self) { try HealthCheckRequest(serialized: bytes) }
  }

  @Test func everyTruncationIsHandled() {
    let bytes = Self.sample.serialized()
    for length in 0..<bytes.count { _ = try? JobInfo(serialized: bytes[..<length]) }
  }

  @Test func garbageIsHandled() {
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0..<40, using: &generator)).map { _ in
        UInt8.random(in: 0...255, using: &generator)
      }
      _ = try? JobInfo(serialized: bytes)
      _ = try? GetResponse(serialized: bytes)
      _ = try? WatchUpdate(serialized: bytes)
    }
  }

  @Test func expansionIsBounded() {
    // Eight million empty acks in 16 MiB would take 600 MB as C messages.
    var bytes = [UInt8]()
    for _ in 0..<8_000_000 { bytes += [0x0a, 0x00] }
    #expect(throws: MalformedBytes.self) { try AckBatch(serialized: bytes) }
  }

  @Test func methodsAreNamedAsInProto() {
    #expect(MetadataService.executeDDL.path == "/theseus.v1.Metadata/ExecuteDDL")
    #expect(MetadataService.executeDDL.kind == .serverStream)
    #expect(RaftTransportService.exchange.kind == .bidirectionalStream)
    #expect(HealthService.check.path == "/grpc.health.v1.Health/Check")
  }
}
