import Testing
import Verification

/// Small histories of one table `t` with columns id, k, u, v and one anomaly each.
@Suite struct SchemaModelTests {
  static let base = TableModel(
    serial: 1, name: "t",
    columns: [
      ColumnModel(serial: 10, name: "id", kind: .integer, isNullable: false, hasUniqueValues: true),
      ColumnModel(serial: 11, name: "k", kind: .integer),
      ColumnModel(serial: 12, name: "u", kind: .integer, hasUniqueValues: true),
    ])

  static func with(_ edit: (inout TableModel) -> Void, from table: TableModel = base) -> TableModel {
    var table = table
    edit(&table)
    return table
  }

  static func added(_ serial: Int, default value: String?, to table: TableModel = base) -> TableModel {
    with(
      { $0.columns.append(ColumnModel(serial: serial, name: "a", kind: .integer, defaultValue: value)) }, from: table)
  }

  func change(
    _ from: UInt64, _ to: UInt64, _ after: TableModel?, _ outcome: Outcome = .ok, operation id: String = "",
    error: WorkloadError? = nil, possible: Set<String> = []
  ) -> Operation<SchemaAction> {
    var change = SchemaChange(slot: 0, sql: "change", operation: id, after: after, possibleErrors: possible)
    change.error = error
    return operation(9, from, to, SchemaAction.change(change), outcome)
  }

  func insert(_ from: UInt64, _ id: Int, _ values: RowWrite.Value..., table: String = "t") -> Operation<SchemaAction> {
    operation(0, from, from + 1, SchemaAction.write([RowWrite(.insert, table: table, id: id, values: values)], nil))
  }

  func write(
    _ from: UInt64, _ kind: RowWrite.Kind, _ id: Int, _ values: RowWrite.Value..., found: Bool = true,
    state: String? = nil, outcome: Outcome? = nil
  ) -> Operation<SchemaAction> {
    let error = state.map { WorkloadError.failed(state: $0, message: "") }
    let write = RowWrite(kind, table: "t", id: id, values: values, isFound: found)
    return operation(
      0, from, from + 1, SchemaAction.write([write], error.map { Refusal(statement: 0, $0) }),
      outcome ?? (error == nil ? .ok : .failed("refused")))
  }

  func read(
    _ from: UInt64, _ id: Int, by column: String = "id", value: String? = nil, _ columns: [String],
    _ rows: [[String?]]
  ) -> Operation<SchemaAction> {
    let condition = RowWrite.Value(column, value ?? String(id))
    return operation(
      0, from, from + 1,
      SchemaAction.read(RowRead(table: "t", id: id, condition: condition, columns: columns, rows: rows), nil))
  }

  func scan(_ columns: [String], _ rows: [[String?]]) -> Operation<SchemaAction> {
    operation(20, 1000, 1001, SchemaAction.scan(table: "t", columns: columns, rows: rows))
  }

  func findings(_ operations: Operation<SchemaAction>...) -> [String] {
    SchemaModelCheck().findings(History([change(0, 1, Self.base)] + operations)).map(\.sentence)
  }

  func expect(
    _ part: String, _ operations: Operation<SchemaAction>..., at location: SourceLocation = #_sourceLocation
  ) {
    let found = SchemaModelCheck().findings(History([change(0, 1, Self.base)] + operations)).map(\.sentence)
    #expect(found.count == 1 && found.first?.contains(part) == true, "\(found)", sourceLocation: location)
  }

  @Test func rowsAndDefaultsPass() {
    #expect(
      findings(
        insert(2, 5, .init("k", "1")), change(4, 5, Self.added(20, default: "7")), insert(6, 6, .init("a", "8")),
        read(8, 5, ["k", "a"], [["5", "1", "7"]]), write(10, .update, 6, .init("k", "3")),
        read(12, 6, by: "k", value: "3", ["a"], [["6", "8"]]), write(14, .delete, 6), read(16, 6, ["k"], []),
        write(18, .delete, 6, found: false), scan(["k", "u", "a"], [["5", "1", nil, "7"]])) == [])
  }

  @Test func wrongDefaultIsFound() {
    expect(
      "can only be", insert(2, 5, .init("k", "1")), change(4, 5, Self.added(20, default: "7")),
      scan(["k", "a"], [["5", "1", nil]]))
    expect(
      "read wrongly", insert(2, 5, .init("k", "1")), change(4, 5, Self.added(20, default: "7")),
      read(8, 5, ["a"], [["5", "8"]]))
  }

  @Test func whatRowsDrawStaysWhatItWas() {
    func drawn(_ source: ColumnModel.Source) -> Operation<SchemaAction> {
      change(
        4, 5,
        Self.with { $0.columns.append(ColumnModel(serial: 20, name: "a", kind: .integer, source: source)) })
    }
    let row = insert(2, 5, .init("k", "4"))
    #expect(
      findings(
        row, drawn(.drawn), read(6, 5, ["a"], [["5", "77"]]), write(8, .update, 5, .init("k", "3")),
        read(10, 5, ["a"], [["5", "77"]]), write(12, .update, 5, .init("a", nil)), read(14, 5, ["a"], [["5", nil]]),
        scan(["k", "a"], [["5", "3", nil]])) == [])
    expect(
      "read wrongly", row, drawn(.drawn), read(6, 5, ["a"], [["5", "77"]]), read(8, 5, ["a"], [["5", "78"]]))
    expect("read wrongly", row, drawn(.drawn), read(6, 5, ["a"], [["5", nil]]))
    expect(
      "can only be", row, drawn(.drawn), scan(["k", "a"], [["5", "4", "1"]]), scan(["k", "a"], [["5", "4", "2"]]))
    expect(
      "the same number", row, insert(3, 6, .init("k", "4")), drawn(.numbered),
      scan(["k", "a"], [["5", "4", "1"], ["6", "4", "1"]]))
    #expect(findings(row, drawn(.doubled), read(6, 5, ["a"], [["5", "8"]])) == [])
    expect(
      "read wrongly", row, drawn(.doubled), write(6, .update, 5, .init("k", "5")), read(8, 5, ["a"], [["5", "8"]]))
    #expect(findings(drawn(.doubled), write(6, .insert, 7, .init("a", "1"), state: "428C9")) == [])
    expect("nothing explains", drawn(.drawn), write(6, .insert, 7, .init("a", "1"), state: "428C9"))
  }

  @Test func ghostOfADroppedColumnIsFound() {
    let history = [
      change(2, 3, Self.added(20, default: nil)), insert(4, 5, .init("a", "8")), change(6, 7, Self.base),
      change(8, 9, Self.added(21, default: nil)),
    ]
    let right = SchemaModelCheck().findings(
      History([change(0, 1, Self.base)] + history + [read(10, 5, ["a"], [["5", nil]])]))
    #expect(right == [])
    let ghost = SchemaModelCheck().findings(
      History([change(0, 1, Self.base)] + history + [read(10, 5, ["a"], [["5", "8"]])]))
    #expect(ghost.count == 1)
  }

  @Test func lostInventedAndUndeadRowsAreFound() {
    expect("was acknowledged and is not there", insert(2, 5), scan([], []))
    expect("nobody wrote it", scan([], [["5"]]))
    expect("nobody wrote it or it was deleted", insert(2, 5), write(4, .delete, 5), scan([], [["5"]]))
    expect("there twice", insert(2, 5), scan([], [["5"], ["5"]]))
    expect("read wrongly", insert(2, 5), read(4, 5, ["k"], []))
    expect("answered wrongly", insert(2, 5), write(4, .update, 5, .init("k", "1"), found: false))
    expect("answered wrongly", insert(2, 5), insert(4, 5))
    expect(
      "read wrongly", insert(2, 5, .init("k", "1")), write(4, .update, 5, .init("k", "2")),
      read(6, 5, ["k"], [["5", "1"]]))
  }

  @Test func writesOfUnknownOutcomeMayBeThereOrNot() {
    let unknown = write(2, .insert, 5, .init("k", "1"), outcome: .unknown("lost"))
    #expect(findings(unknown, scan(["k"], [["5", "1"]])) == [])
    #expect(findings(unknown, read(4, 5, ["k"], []), read(6, 5, ["k"], [["5", "1"]])) == [])
    #expect(findings(unknown, scan(["k"], [])) == [])
    expect("can only be", unknown, scan(["k"], [["5", "2"]]))
  }

  @Test func namesCountFromTheAnswerAndUntilTheCall() {
    // While the column is being added either is right.
    let adding = change(10, 30, Self.added(20, default: nil))
    #expect(findings(adding, write(15, .insert, 5, .init("a", "1"), state: "42703")) == [])
    #expect(findings(adding, insert(15, 5, .init("a", "1"))) == [])
    #expect(findings(adding, write(5, .insert, 5, .init("a", "1"), state: "42703")) == [])
    expect("nothing explains", adding, write(40, .insert, 5, .init("a", "1"), state: "42703"))
    expect("no schema of the time", adding, insert(5, 5, .init("a", "1")))
    expect("nothing explains", write(5, .insert, 5, state: "42P01"))
    expect("nothing explains", write(5, .insert, 5, state: "XX000"))
    #expect(findings(write(5, .insert, 5, state: "40001")) == [])
  }

  @Test func renamedTablesKeepTheirRows() {
    let renamed = Self.with { $0.name = "s" }
    var afterwards = scan(["k"], [["5", "1"]])
    afterwards.action = .scan(table: "s", columns: ["k"], rows: [["5", "1"]])
    #expect(findings(insert(2, 5, .init("k", "1")), change(4, 5, renamed), afterwards) == [])
    afterwards.action = .scan(table: "s", columns: ["k"], rows: [])
    expect("not there", insert(2, 5, .init("k", "1")), change(4, 5, renamed), afterwards)
  }

  @Test func uniqueIsEnforcedAndExplainsRefusals() {
    let unique = Self.with { $0.indexes.append(IndexModel(name: "i", columns: [11], isUnique: true)) }
    expect(
      "has 3 twice", insert(2, 5, .init("k", "3")), insert(4, 6, .init("k", "3")), change(6, 7, unique),
      scan(["k"], [["5", "3"], ["6", "3"]]))
    #expect(
      findings(
        insert(2, 5), insert(4, 6), change(6, 7, unique), scan(["k"], [["5", nil], ["6", nil]])) == [])
    #expect(findings(change(4, 5, unique), write(6, .insert, 5, .init("k", "3"), state: "23505")) == [])
    expect("nothing explains", write(6, .insert, 5, .init("k", "3"), state: "23505"))
    // While it is being built, even if it fails in the end.
    let failing = change(
      4, 20, unique, .failed("23505"), error: .failed(state: "23505", message: ""), possible: ["23505"])
    #expect(findings(failing, write(6, .insert, 5, .init("k", "3"), state: "23505")) == [])
    expect("nothing explains", failing, write(30, .insert, 5, .init("k", "3"), state: "23505"))
    // Nor does an index on values that never repeat explain anything.
    let certain = Self.with { $0.indexes.append(IndexModel(name: "i", columns: [12], isUnique: true)) }
    expect("nothing explains", change(4, 5, certain), write(6, .insert, 5, .init("u", "3"), state: "23505"))
  }

  @Test func constraintsHoldAndExplainRefusals() {
    let checked = Self.with { $0.checks.append(CheckModel(name: "c", column: 11, bound: 10)) }
    let required = Self.with { $0.columns[1].isNullable = false }
    for (table, state, bad) in [(checked, "23514", "12"), (required, "23502", nil)] {
      let value = RowWrite.Value("k", bad)
      // Once it is in force, nothing that violates it is taken, and such a write is refused for that reason.
      expect("every schema of the time forbids", change(4, 5, table), write(6, .insert, 5, value))
      expect("every schema of the time forbids", insert(2, 5), change(4, 5, table), write(6, .update, 5, value))
      #expect(findings(change(4, 5, table), write(6, .insert, 5, value, state: state)) == [])
      expect("nothing explains", write(6, .insert, 5, value, state: state))
      // On its way in, even if it fails in the end, both may happen.
      let failing = change(
        4, 20, table, .failed(state), error: .failed(state: state, message: ""), possible: [state])
      #expect(findings(failing, write(6, .insert, 5, value, state: state)) == [])
      #expect(findings(failing, write(6, .insert, 5, value)) == [])
      expect("nothing explains", failing, write(30, .insert, 5, value, state: state))
      // No row that was there violates it, either.
      expect(
        "which a constraint forbids", insert(2, 5, value), change(4, 5, table), scan(["k"], [["5", bad]]))
    }
    // NULL is no violation of a check, and what a write does not name has its default.
    #expect(findings(change(4, 5, checked), write(6, .insert, 5, .init("k", nil))) == [])
    expect("every schema of the time forbids", change(4, 5, required), insert(6, 5))
    let defaulted = Self.with({ $0.columns[3].isNullable = false }, from: Self.added(20, default: "7"))
    #expect(findings(change(4, 5, defaulted), write(6, .insert, 5, .init("k", "1"))) == [])
  }

  func final(_ action: SchemaAction) -> Operation<SchemaAction> { operation(20, 2000, 2001, action) }

  @Test func indexesMustAgreeWithRows() {
    let index = Self.with { $0.indexes.append(IndexModel(name: "i", columns: [11], isUnique: false)) }
    let start = [
      change(0, 1, Self.base), insert(2, 5, .init("k", "3")), change(4, 5, index), scan(["k"], [["5", "3"]]),
    ]
    func with(_ action: SchemaAction) -> [String] {
      SchemaModelCheck().findings(History(start + [final(action)])).map(\.sentence)
    }
    #expect(with(.lookup(table: "t", column: "k", value: "3", ids: [5])) == [])
    #expect(with(.lookup(table: "t", column: "k", value: "3", ids: [])).first?.contains("missing entries [5]") == true)
    #expect(
      with(.lookup(table: "t", column: "k", value: "3", ids: [5, 9])).first?.contains("orphan entries [9]") == true)
    #expect(with(.check(table: "t", [["i", "1", "1", "t"]])) == [])
    #expect(with(.check(table: "t", [["i", "1", "2", "f"]])).count == 1)
    #expect(with(.count(table: "t", 1)) == [])
    #expect(with(.count(table: "t", 2)).count == 1)
    #expect(with(.names(table: "t", columns: ["id", "k", "u"], indexes: ["i"], comments: [])) == [])
    #expect(with(.names(table: "t", columns: ["id", "k"], indexes: ["i"], comments: [])).count == 1)
    #expect(with(.names(table: "t", columns: ["id", "k", "u"], indexes: [], comments: [])).count == 1)
    #expect(with(.names(table: "t", columns: ["id", "k", "u"], indexes: ["i"], comments: ["lost"])).count == 1)
  }

  @Test func jobsAreAppliedOnceAndEnd() {
    func job(_ id: String, _ operation: String, _ state: String) -> JobRow {
      JobRow(id: id, operation: operation, statement: "change", state: state)
    }
    let done = change(4, 5, Self.added(20, default: nil), operation: "x")
    let refused = change(
      6, 7, Self.base, .failed("57014"), operation: "y", error: .failed(state: "57014", message: ""))
    #expect(findings(done, refused, final(.jobs([job("1", "x", "succeeded"), job("2", "y", "canceled")]))) == [])
    expect("applied twice", done, final(.jobs([job("1", "x", "succeeded"), job("2", "x", "succeeded")])))
    expect("does not end", done, final(.jobs([job("1", "x", "succeeded"), job("2", "z", "paused")])))
    expect("answered as done", done, final(.jobs([job("1", "x", "failed")])))
    expect("answered as failed", done, refused, final(.jobs([job("2", "y", "succeeded")])))
  }

  @Test func refusedChangesNeedAReason() {
    let error = WorkloadError.failed(state: "42P07", message: "")
    expect("nothing explains", change(4, 5, Self.base, .failed("42P07"), error: error))
    #expect(findings(change(4, 5, Self.base, .failed("42P07"), error: error, possible: ["42P07"])) == [])
  }
}
