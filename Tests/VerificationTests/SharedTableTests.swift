import Testing

@testable import Verification

/// Small histories of one table that several clients change.
@Suite struct SharedTableTests {
  func change(
    _ from: UInt64, _ to: UInt64, _ change: SharedTableChange, _ id: String, state: String? = nil
  ) -> Operation<SharedTableAction> {
    var sent = SchemaChange(slot: 0, sql: "\(change)", operation: id, after: nil)
    sent.error = state.map { .failed(state: $0, message: "") }
    return operation(0, from, to, SharedTableAction.change(change, sent), state.map { .failed($0) } ?? .ok)
  }

  func jobs(_ operations: String...) -> Operation<SharedTableAction> {
    let rows = operations.enumerated().map {
      JobRow(id: "\($0.offset + 1)", operation: $0.element, statement: "", state: "succeeded")
    }
    return operation(9, 1000, 1001, SharedTableAction.jobs(rows))
  }

  func names(_ columns: [String], _ indexes: [String] = []) -> Operation<SharedTableAction> {
    operation(9, 1002, 1003, SharedTableAction.names(columns: columns, indexes: indexes))
  }

  func rows(_ columns: [String], _ rows: [[String?]]) -> Operation<SharedTableAction> {
    operation(9, 1004, 1005, SharedTableAction.rows(columns: columns, rows))
  }

  func sentences(_ operations: Operation<SharedTableAction>...) -> [String] {
    SharedTableCheck().findings(History(operations)).map(\.sentence)
  }

  let addA = SharedTableChange.addColumn("a", defaultValue: 5)

  @Test func theLogDecidesAmongWhatRanTogether() {
    let both = [change(1, 9, addA, "x"), change(2, 8, .renameColumn("a", to: "b"), "y")]
    #expect(sentences(both[0], both[1], jobs("x", "y"), names(["id", "k", "b"])) == [])
    #expect(
      sentences(both[0], both[1], jobs("y", "x"), names(["id", "k", "b"]))
        == ["in the order of the log a schema change cannot have been done"])
    #expect(sentences(both[0], both[1], jobs("x", "y"), names(["id", "k", "a"])).count == 1)
  }

  @Test func theLogKeepsTheOrderThatClientsSaw() {
    let drop = change(10, 12, .dropColumn("a"), "y")
    let again = change(14, 16, addA, "z")
    #expect(sentences(change(1, 9, addA, "x"), drop, again, jobs("x", "y", "z"), names(["id", "k", "a"])) == [])
    #expect(
      sentences(change(1, 9, addA, "x"), drop, again, jobs("z", "y", "x"), names(["id", "k", "a"])).contains(
        "a schema change came after one in the log that was asked for when it had been answered"))
  }

  @Test func refusalsNeedAReason() {
    let add = change(10, 20, addA, "x")
    #expect(sentences(add, change(15, 18, addA, "y", state: "42701"), jobs("x")) == [])
    #expect(sentences(add, change(15, 18, .dropColumn("a"), "y", state: "42703"), jobs("x")) == [])
    let unexplained = ["nothing explains why a schema change was refused"]
    #expect(sentences(add, change(21, 25, .dropColumn("a"), "y", state: "42703"), jobs("x")) == unexplained)
    #expect(sentences(add, change(1, 5, addA, "y", state: "42701"), jobs("x")) == unexplained)
    #expect(sentences(add, change(15, 18, addA, "y", state: "XX000"), jobs("x")) == unexplained)
  }

  @Test func everyOperationOnce() {
    let add = change(1, 9, addA, "x")
    #expect(sentences(add, jobs()) == ["a schema change was answered as done and no job of it succeeded"])
    #expect(sentences(add, jobs("x", "x")).contains("operation x was applied twice"))
    #expect(
      sentences(change(1, 9, addA, "x", state: "42701"), jobs("x")).contains(
        "a schema change was answered as failed and its job succeeded"))
  }

  @Test func rowsAndDefaults() {
    let add = change(1, 9, addA, "x")
    let insert = operation(1, 3, 4, SharedTableAction.insert(id: 8))
    let columns = ["id", "k", "a"]
    #expect(sentences(add, insert, jobs("x"), rows(columns, [["8", "1", "5"]])) == [])
    #expect(sentences(add, insert, jobs("x"), rows(columns, [])) == ["row 8 was acknowledged and is not there"])
    #expect(
      sentences(add, insert, jobs("x"), rows(columns, [["8", "1", nil]]))
        == ["row 8 has NULL in column a, whose default is 5"])
    #expect(
      sentences(add, jobs("x"), rows(columns, [["8", "1", "5"]])) == ["row 8 is there, and nobody wrote it"])
    let lookup = operation(9, 1006, 1007, SharedTableAction.lookup(k: 1, ids: []))
    #expect(sentences(add, insert, jobs("x"), rows(columns, [["8", "1", "5"]]), lookup).count == 1)
  }
}
