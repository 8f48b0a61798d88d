import Glibc
import Testing

/// Every file in Scenarios must come out as it is written. With THESEUS_WRITE_GOLDEN=1 the files are written anew instead.
@Suite struct ScenarioTests {
  @Test(arguments: [
    "election", "replication", "conflict", "lost-append", "leader-isolated", "reads", "reads-of-a-quorum", "snapshot",
    "quiescence",
    "transfer", "members", "crash",
  ]) func comesOutAsWritten(name: String) throws {
    let directory = String(#filePath.prefix(upTo: #filePath.lastIndex(of: "/") ?? #filePath.endIndex))
    let path = "\(directory)/Scenarios/\(name).play"
    let text = try #require(read(path), "no file \(name).play")
    let outcome = Play.perform(text)
    if getenv("THESEUS_WRITE_GOLDEN") != nil {
      let file = try #require(fopen(path, "w"))
      fputs(outcome, file)
      fclose(file)
    }
    #expect(outcome == text)
  }

  private func read(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = fread(&buffer, 1, buffer.count, file)
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }
}
