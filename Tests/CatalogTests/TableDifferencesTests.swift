import Basics
import Catalog
import SQLValues
import Testing

@Suite struct TableDifferencesTests {
  private let before = TableDescriptor(
    id: TableID(1), databaseID: .defaultDatabase, name: "t", version: TableVersion(1),
    columns: [
      ColumnDescriptor(id: ColumnID(1), name: "id", type: .int8, isNullable: false),
      ColumnDescriptor(id: ColumnID(2), name: "a", type: .int8),
    ],
    indexes: [
      IndexDescriptor(
        id: IndexID(1), name: "t_pkey", isUnique: true, keyColumns: [IndexKeyColumn(columnID: ColumnID(1))],
        rangeID: RangeID(1))
    ], nextColumnID: ColumnID(3), nextIndexID: IndexID(2), commitFloor: TableVersion(1))

  private func sentences(_ change: (inout TableDescriptor) -> Void) -> [String] {
    var after = before
    change(&after)
    return TableDifferences.sentences(from: before, to: after)
  }

  @Test func tablesComeGoAndAreRenamed() {
    #expect(TableDifferences.sentences(from: nil, to: before) == ["table t is created: 2 columns"])
    #expect(TableDifferences.sentences(from: before, to: nil) == ["table t is gone"])
    #expect(sentences { $0.name = "u" } == ["table t is renamed to u"])
    #expect(
      sentences { $0.state = .dropping }
        == ["the name t is free; transactions that use the table may still commit"])
    #expect(sentences { $0.version = TableVersion(2) } == ["nothing that is seen from outside"])
  }

  @Test func anEmptiedTableHasOtherIndexes() {
    #expect(sentences { $0.indexes[0].id = IndexID(2) } == ["table t is emptied"])
  }

  @Test func anIndexPassesItsStates() {
    let index = IndexDescriptor(
      id: IndexID(2), name: "t_a", isUnique: false, state: .deleteOnly,
      keyColumns: [IndexKeyColumn(columnID: ColumnID(2))], rangeID: RangeID(2))
    var last = before
    var seen: [String] = []
    for state in [ElementState.deleteOnly, .writeOnly, .backfilling, .public, .writeOnly] {
      var next = before
      var moved = index
      moved.state = state
      next.indexes.append(moved)
      seen += TableDifferences.sentences(from: last, to: next)
      last = next
    }
    seen += TableDifferences.sentences(from: last, to: before)
    #expect(
      seen == [
        "index t_a is delete-only: deletes remove its entries, nobody adds or reads any",
        "index t_a is writable: inserts, updates and deletes maintain it, nobody reads it",
        "index t_a is writable; existing rows get their entries", "index t_a is readable",
        "index t_a is no longer readable; writes keep it whole for who still reads it", "index t_a is gone",
      ])
  }

  @Test func anIndexOnItsWayOutHasNoName() {
    var index = IndexDescriptor(
      id: IndexID(2), name: "t_a", isUnique: true, state: .public,
      keyColumns: [IndexKeyColumn(columnID: ColumnID(2))], rangeID: RangeID(2))
    var steps = [before]
    for (name, state) in [("t_a", ElementState.public), ("", .writeOnly), ("", .deleteOnly)] {
      (index.name, index.state) = (name, state)
      var next = before
      next.indexes.append(index)
      steps.append(next)
    }
    steps.append(before)
    #expect(
      zip(steps.dropFirst(), steps.dropFirst(2)).flatMap { TableDifferences.sentences(from: $0, to: $1) } == [
        "the name t_a is free",
        "unique index t_a is no longer readable; writes keep it whole for who still reads it",
        "unique index #2 is delete-only: deletes remove its entries, nobody adds or reads any", "index #2 is gone",
      ])
  }

  @Test func aColumnThatComesBackHasItsName() {
    var dropped = before
    dropped.columns[1].name = ""
    dropped.columns[1].state = .writeOnly
    #expect(TableDifferences.sentences(from: before, to: dropped).first == "the name a is free")
    #expect(TableDifferences.sentences(from: dropped, to: before).first == "column a has its name")
  }

  @Test func columnsAndConstraintsAreNamed() {
    #expect(
      sentences {
        $0.columns[1].name = "b"
        $0.columns[1].isNullable = false
        $0.columns[1].defaultExpression = [1]
        $0.columns[1].defaultText = "7"
        $0.columns.append(ColumnDescriptor(id: ColumnID(3), name: "c", type: .text))
      } == [
        "column a is renamed to b", "column b has no NULLs, for sure", "column b has the default 7",
        "column c is added, readable and writable",
      ])
    #expect(sentences { $0.columns.removeLast() } == ["column a is gone"])
    #expect(
      sentences {
        $0.constraints = [
          ConstraintDescriptor(id: ConstraintID(1), name: "", state: .validating, rule: .notNull(ColumnID(2))),
          ConstraintDescriptor(
            id: ConstraintID(2), name: "positive", state: .writeOnly,
            rule: .check(RowExpression(columns: [ColumnID(2)], expression: []))),
        ]
      } == [
        "NOT NULL of column a is enforced for what is written; existing rows are checked",
        "check positive is enforced for what is written; nobody relies on it",
      ])
  }
}
