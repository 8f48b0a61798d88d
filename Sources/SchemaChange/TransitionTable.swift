import Basics
import Catalog

/// How an entry sets the commit floor of a table: the oldest pinned version whose writes stay compatible (Architecture.md, "One order").
public enum FloorRule: UInt8, Hashable, Comparable, Sendable {
  case unchanged = 0
  /// The version before the entry: at most two adjacent versions can commit (F1, VLDB 2013, section 4).
  case previous = 1
  /// The entry's own version: every transaction pinned to an older one is refused.
  case current = 2

  public static func < (left: FloorRule, right: FloorRule) -> Bool { left.rawValue < right.rawValue }
}

public enum ElementKind: UInt8, Hashable, Sendable, CaseIterable {
  case index = 0
  /// Nullable, or with a constant default that rows without the column read.
  case column = 1
  /// `NOT NULL` without a default: only an empty table can take it.
  case requiredColumn = 2
  case table = 3
  /// `CHECK`: nothing that reads relies on it.
  case check = 4
  /// `NOT NULL` of a column that is there: plans of queries rely on it once it is public.
  case notNull = 5
  /// An index that takes the place of another, whole rows included (`IndexDescriptor.replaces`).
  case replacingIndex = 6
  /// A column that takes the place of another and whose values follow from it (`ColumnDescriptor.conversion`).
  case replacingColumn = 7
  /// As `column`, with a constraint or an index that comes with it.
  case judgedColumn = 8
  /// Of two tables: the one that refers keeps it, both step.
  case foreignKey = 30
  /// A `CHECK` over columns that take the places of others: it gives its rule to the one over those.
  case replacingCheck = 70
  /// The same for one that is `NOT VALID`.
  case replacingUnprovenCheck = 71
  /// A column of which existing rows get a value each: a volatile default, a sequence, a generation expression.
  case filledColumn = 40
  /// A label of an enumerated type.
  case enumValue = 100
}

/// What has to be done with the rows that are there before the next transition.
public enum TransitionWork: UInt8, Hashable, Sendable {
  case backfill = 0
  case validateIndex = 1
  case validateNotNull = 2
  case validateCheck = 3
  case validateForeignKey = 30
  case fill = 40
}

/// One permitted move of an element.
public struct Transition: Hashable, Sendable {
  public let from: ElementState
  public let to: ElementState
  public let floor: FloorRule
  /// Every live session has to know the new state, and use no older one, before the element moves on.
  public let waitsForBarrier: Bool
  public let work: [TransitionWork]
  /// Why it is so, in a sentence.
  public let rule: String

  init(
    _ from: ElementState, _ to: ElementState, floor: FloorRule, barrier: Bool = false, work: [TransitionWork] = [],
    _ rule: String
  ) {
    self.from = from
    self.to = to
    self.floor = floor
    waitsForBarrier = barrier
    self.work = work
    self.rule = rule
  }
}

/// The transitions of one kind of element: a path up to `public` and paths down to `absent`.
public struct TransitionTable: Hashable, Sendable {
  public let kind: ElementKind
  public let adding: [Transition]
  public let dropping: [Transition]

  /// The next move of an element in `state` towards `target`; nil when it is there.
  public func next(from state: ElementState, towards target: ElementState) -> Transition? {
    state == target ? nil : (target == .absent ? dropping : adding).first { $0.from == state }
  }

  public static func table(for kind: ElementKind) -> TransitionTable {
    switch kind {
    case .index: .index
    case .column: .column
    case .requiredColumn: .requiredColumn
    case .table: .table
    case .check: .check
    case .notNull: .notNull
    case .replacingIndex: .replacingIndex
    case .replacingColumn: .replacingColumn
    case .judgedColumn: .judgedColumn
    case .foreignKey: .foreignKey
    case .replacingCheck: .replacingCheck
    case .replacingUnprovenCheck: .replacingUnprovenCheck
    case .filledColumn: .filledColumn
    case .enumValue: .enumValue
    }
  }

  public static let index = TransitionTable(
    kind: .index,
    adding: [
      Transition(
        .absent, .deleteOnly, floor: .unchanged, barrier: true,
        "no entry exists yet, so older writers that maintain none stay compatible"),
      Transition(
        .deleteOnly, .writeOnly, floor: .previous, barrier: true,
        "entries appear, so every writer that still commits must remove those of the rows it deletes"),
      Transition(
        .writeOnly, .backfilling, floor: .previous, work: [.backfill, .validateIndex],
        "from the entry's timestamp on every commit maintains entries; rows before it are read at that timestamp"),
      Transition(
        .backfilling, .public, floor: .unchanged,
        "row side and index side agree, and writers do the same in both states"),
    ],
    dropping: [
      Transition(
        .public, .writeOnly, floor: .unchanged, barrier: true,
        "no new statement reads the index, writers keep it whole for those that still do"),
      Transition(
        .validating, .deleteOnly, floor: .previous, barrier: true, "nobody reads it, so nothing has to be added to it"),
      Transition(
        .backfilling, .deleteOnly, floor: .previous, barrier: true, "nobody reads it, so nothing has to be added to it"
      ),
      Transition(
        .writeOnly, .deleteOnly, floor: .previous, barrier: true, "nobody reads it, so nothing has to be added to it"),
      Transition(
        .deleteOnly, .absent, floor: .previous, "nobody adds entries, so what is left is removed with the range"),
    ])

  public static let replacingIndex = TransitionTable(
    kind: .replacingIndex,
    adding: index.adding.dropLast() + [
      Transition(
        .backfilling, .public, floor: .current,
        "both sides agree; who wrote by the old key may not commit beside those who write by the new one")
    ],
    dropping: index.dropping)

  public static let column = TransitionTable(
    kind: .column,
    adding: [
      Transition(
        .absent, .public, floor: .unchanged,
        "rows without the column read the value recorded in the descriptor, so older writers stay compatible")
    ],
    dropping: [
      Transition(
        .public, .writeOnly, floor: .unchanged, barrier: true,
        "no new statement reads the column, writers keep its values for those that still do"),
      Transition(
        .writeOnly, .deleteOnly, floor: .previous, barrier: true,
        "nobody reads it and no index needs it, so new rows leave it out"),
      Transition(
        .deleteOnly, .absent, floor: .previous, "its id is never used again, so values left in rows are never read"),
    ])

  public static let replacingColumn = TransitionTable(
    kind: .replacingColumn,
    adding: [
      Transition(
        .absent, .writeOnly, floor: .unchanged,
        "its value follows from the row, and only indexes that come with it hold it"),
      Transition(.writeOnly, .public, floor: .current, "rows hold it instead of the column that it replaces"),
    ],
    dropping: column.dropping)

  public static let judgedColumn = TransitionTable(
    kind: .judgedColumn,
    adding: [
      Transition(
        .absent, .writeOnly, floor: .unchanged,
        "every row has the value recorded in the descriptor, which is what a constraint or an index sees"),
      Transition(
        .writeOnly, .public, floor: .unchanged, "rows without the column still read the value in the descriptor"),
    ],
    dropping: column.dropping)

  public static let filledColumn = TransitionTable(
    kind: .filledColumn,
    adding: [
      Transition(
        .absent, .deleteOnly, floor: .unchanged, barrier: true,
        "no row has a value yet; who writes a row that exists keeps one that others may have given it"),
      Transition(
        .deleteOnly, .writeOnly, floor: .previous, barrier: true,
        "rows get values as they are written, so every writer that still commits must keep those that rows have"),
      Transition(
        .writeOnly, .backfilling, floor: .previous, barrier: true, work: [.fill],
        "from the entry's timestamp on every row that is written has a value; the others get theirs at that timestamp"),
      Transition(
        .backfilling, .validating, floor: .previous, barrier: true, work: [.validateNotNull],
        "every row has its value, so writers no longer take a NULL for one that is missing"),
      Transition(
        .validating, .public, floor: .previous,
        "whoever still commits leaves a NULL that clients write from here on as it is"),
    ],
    dropping: [
      Transition(
        .public, .writeOnly, floor: .unchanged, barrier: true,
        "no new statement reads the column, writers keep its values for those that still do")
    ]
      + [ElementState.validating, .backfilling, .writeOnly].map {
        Transition($0, .deleteOnly, floor: .previous, barrier: true, "nobody reads it, so new rows leave it out")
      } + [
        Transition(
          .deleteOnly, .absent, floor: .previous, "its id is never used again, so values left in rows are never read")
      ])

  public static let enumValue = TransitionTable(
    kind: .enumValue,
    adding: [
      Transition(
        .absent, .deleteOnly, floor: .unchanged, barrier: true,
        "whoever meets the label can tell it, and nobody gives it to a row yet"),
      Transition(.deleteOnly, .public, floor: .unchanged, "everybody who reads rows knows it, so it may be written"),
    ],
    dropping: [Transition(.deleteOnly, .absent, floor: .unchanged, "no row has it")])

  public static let requiredColumn = TransitionTable(
    kind: .requiredColumn,
    adding: [
      Transition(
        .absent, .deleteOnly, floor: .unchanged, work: [.validateNotNull],
        "a table with rows is refused before any writer is hindered"),
      Transition(
        .deleteOnly, .writeOnly, floor: .current, work: [.validateNotNull],
        "no row without the column can be added from here on, so checking the rows once is enough"),
      Transition(.writeOnly, .public, floor: .unchanged, "every row has the column"),
    ],
    dropping: column.dropping)

  /// The way in of what every row must satisfy.
  private static func enforcing(_ validation: TransitionWork) -> [Transition] {
    [
      Transition(
        .absent, .writeOnly, floor: .unchanged, barrier: true,
        "new rows are checked; nobody relies on it yet, so older writers stay compatible"),
      Transition(
        .writeOnly, .validating, floor: .previous, work: [validation],
        "no row that violates it can be added from here on, so checking the rows once is enough"),
      Transition(
        .validating, .public, floor: .unchanged, "every row satisfies it, and writers do the same in both states"),
    ]
  }

  public static let check = TransitionTable(
    kind: .check, adding: enforcing(.validateCheck),
    dropping: [.public, .validating, .writeOnly].map {
      Transition(
        $0, .absent, floor: .unchanged, "no query relies on it, so writers may stop checking one after the other")
    })

  public static let replacingCheck = TransitionTable(
    kind: .replacingCheck,
    adding: enforcing(.validateCheck).dropLast() + [
      Transition(
        .validating, .public, floor: .unchanged,
        "every row satisfies it over the new values, which rows hold from this entry on")
    ],
    dropping: check.dropping)

  public static let replacingUnprovenCheck = TransitionTable(
    kind: .replacingUnprovenCheck,
    adding: [
      Transition(
        .absent, .writeOnly, floor: .unchanged, barrier: true,
        "new rows are checked over both types; nobody relies on it, so older writers stay compatible"),
      Transition(
        .writeOnly, .public, floor: .unchanged,
        "rows hold the new values from this entry on, and it judges those written"),
    ],
    dropping: check.dropping)

  public static let notNull = TransitionTable(
    kind: .notNull, adding: enforcing(.validateNotNull),
    dropping: [
      Transition(
        .public, .writeOnly, floor: .unchanged, barrier: true,
        "no new statement relies on it, writers keep to it for those that still do"),
      Transition(.validating, .absent, floor: .unchanged, "nobody relies on it yet"),
      Transition(.writeOnly, .absent, floor: .previous, "nobody relies on it any more"),
    ])

  public static let foreignKey = TransitionTable(
    kind: .foreignKey,
    adding: [
      Transition(
        .absent, .writeOnly, floor: .unchanged, barrier: true,
        "who writes a row holds the one it refers to, who removes one looks for rows that refer to it; nobody relies on it yet"
      ),
      Transition(
        .writeOnly, .backfilling, floor: .previous, barrier: true,
        "every row that is committed from here on holds what it refers to, so who looks for such rows now misses none"),
      Transition(
        .backfilling, .validating, floor: .previous, work: [.validateForeignKey],
        "whoever removes a row from here on has looked and missed none, so checking the rows once is enough"),
      Transition(
        .validating, .public, floor: .unchanged, "every row satisfies it, and writers do the same in both states"),
    ],
    dropping: [.public, .validating, .backfilling, .writeOnly].map {
      Transition(
        $0, .absent, floor: .unchanged, "no query relies on it, so writers may stop checking one after the other")
    })

  public static let table = TransitionTable(
    kind: .table,
    adding: [Transition(.absent, .public, floor: .unchanged, "nobody can have used it before")],
    dropping: [
      Transition(
        .public, .deleteOnly, floor: .unchanged, barrier: true,
        "the name is free; transactions that use the table may still commit"),
      Transition(.deleteOnly, .absent, floor: .current, "nobody uses it; its ranges go after the retention time"),
    ])

  /// What is wrong with the table: empty for a sound one. Checked by a test for every kind.
  public func defects() -> [String] {
    var found: [String] = []
    for (path, target) in [(adding, ElementState.public), (dropping, .absent)] {
      for transition in path where path.filter({ $0.from == transition.from }).count > 1 {
        found.append("two transitions leave \(transition.from) towards \(target)")
      }
      for start in Set(path.map(\.from)).sorted(by: { $0.rawValue < $1.rawValue }) {
        var state = start
        var steps = 0
        while let transition = path.first(where: { $0.from == state }), steps <= ElementState.allCases.count {
          state = transition.to
          steps += 1
        }
        if state != target { found.append("\(start) does not lead to \(target)") }
      }
    }
    // Whatever state an unfinished addition can be in, there is a way back.
    for transition in adding
    where transition.to != .public && !dropping.contains(where: { $0.from == transition.to }) {
      found.append("no way back from \(transition.to)")
    }
    return found
  }

  /// For people and for the golden file.
  public var lines: [String] {
    var result = ["\(kind)"]
    for (title, path) in [("add", adding), ("drop", dropping)] {
      for transition in path {
        var line = "  \(title): \(transition.from) -> \(transition.to), floor \(transition.floor)"
        if transition.waitsForBarrier { line += ", barrier" }
        for work in transition.work { line += ", \(work)" }
        result.append(line)
        result.append("    because \(transition.rule)")
      }
    }
    return result
  }
}
