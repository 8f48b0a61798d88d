import Basics

/// What one entry does to a table, for people: a sentence for each thing that changes, in the order of the descriptor.
public enum TableDifferences {
  /// nil: the table is not there.
  public static func sentences(from before: TableDescriptor?, to after: TableDescriptor?) -> [String] {
    switch (before, after) {
    case (nil, nil): return []
    case (let before?, nil): return ["\(kind(before)) \(before.name) is gone"]
    case (nil, let after?):
      return ["\(kind(after)) \(after.name) is created\(after.isSequence ? "" : contents(of: after))"]
    case (let before?, let after?):
      let changed =
        ofTable(before, after) + ofColumns(before, after) + ofIndexes(before, after) + ofConstraints(before, after)
        + ofReferences(before, after)
      return changed.isEmpty ? ["nothing that is seen from outside"] : changed
    }
  }

  private static func kind(_ table: TableDescriptor) -> String { table.kindName }

  private static func contents(of table: TableDescriptor) -> String {
    if let enumeration = table.enumeration { return ": " + count(enumeration.values.count, "label") }
    var parts = [count(table.publicColumns.count, "column")]
    let indexes = table.indexes.dropFirst().count
    if indexes > 0 { parts.append(count(indexes, "index", "indexes")) }
    if let view = table.view { parts.append("reads \(count(view.dependencies.count, "relation"))") }
    if !table.constraints.isEmpty { parts.append(count(table.constraints.count, "constraint")) }
    return ": " + parts.joined(separator: ", ")
  }

  private static func count(_ number: Int, _ singular: String, _ plural: String? = nil) -> String {
    "\(number) \(number == 1 ? singular : plural ?? singular + "s")"
  }

  /// What is on its way out has given its name back.
  private static func label(_ name: String, _ before: String?, _ id: some CustomStringConvertible) -> String {
    [name, before ?? ""].first { !$0.isEmpty } ?? "#\(id)"
  }

  private static func renaming(_ kind: String, _ before: String, _ after: String) -> String {
    if before.isEmpty { return "\(kind) \(after) has its name" }
    return after.isEmpty ? "the name \(before) is free" : "\(kind) \(before) is renamed to \(after)"
  }

  /// Whatever of the table they are on; what comes brings its own, what goes takes them along.
  private static func ofComments(_ before: TableDescriptor, _ after: TableDescriptor) -> [String] {
    var result: [String] = []
    func compare(_ old: String?, _ new: String?, _ title: String) {
      if old != new { result.append("\(title) \(new == nil ? "has no comment" : "has another comment")") }
    }
    compare(before.comment, after.comment, "\(kind(after)) \(after.name)")
    for column in after.columns {
      guard let old = before.column(column.id) else { continue }
      compare(old.comment, column.comment, "column \(column.name)")
    }
    for index in after.indexes {
      guard let old = before.index(index.id) else { continue }
      compare(old.comment, index.comment, "index \(index.name)")
      compare(old.constraintComment, index.constraintComment, "constraint \(index.name)")
    }
    for constraint in after.constraints {
      guard let old = before.constraint(constraint.id) else { continue }
      compare(old.comment, constraint.comment, "constraint \(constraint.name)")
    }
    return result
  }

  // MARK: Parts

  private static func ofTable(_ before: TableDescriptor, _ after: TableDescriptor) -> [String] {
    var result: [String] = []
    if before.name != after.name { result.append("\(kind(after)) \(before.name) is renamed to \(after.name)") }
    if let old = before.sequence, let new = after.sequence, old != new {
      result.append(
        old.generation != new.generation
          ? "sequence \(after.name) goes on \(new.initialState.isCalled ? "after" : "with") \(new.initialState.lastValue)"
          : "sequence \(after.name) has other options")
    }
    if let old = before.view, let new = after.view, old != new || before.columns.count != after.columns.count {
      result.append("view \(after.name) has another query")
    }
    if let old = before.enumeration, let new = after.enumeration { result += ofLabels(old, new) }
    if before.namespaceID != after.namespaceID { result.append("\(kind(after)) \(after.name) moves to another schema") }
    result += ofComments(before, after)
    if before.state != after.state {
      switch after.state {
      case .dropping:
        result.append(
          "the name \(before.name) is free; transactions that use the \(before.isType ? "type" : "table") may still commit"
        )
      case .public: result.append("table \(after.name) is readable and writable")
      }
    }
    return result
  }

  private static func ofLabels(_ before: EnumDescriptor, _ after: EnumDescriptor) -> [String] {
    var result: [String] = []
    for value in after.values {
      let old = before.values.first { $0.id == value.id }
      if let old, old.label != value.label { result.append("label \(old.label) is renamed to \(value.label)") }
      if old?.state == value.state { continue }
      result.append(
        value.state == .public
          ? "label \(value.label) may be written" : "label \(value.label) is known; nobody writes it yet")
    }
    for old in before.values where !after.values.contains(where: { $0.id == old.id }) {
      result.append("label \(old.label) is gone")
    }
    return result
  }

  private static func ofColumns(_ before: TableDescriptor, _ after: TableDescriptor) -> [String] {
    var result: [String] = []
    var replaced: Set<String> = []
    for column in after.columns where !column.isComputed {
      let old = before.column(column.id)
      let label = label(column.name, old?.name, column.id)
      let title = column.conversion == nil ? label : "\(label), converted,"
      guard let old else {
        result.append(transition(ofColumn: title, from: .absent, to: column.state, isNew: true))
        continue
      }
      if old.conversion != nil, column.conversion == nil {
        replaced.insert(column.name)
        result.append("column \(column.name) has its new type")
        continue
      }
      if old.name != column.name { result.append(renaming("column", old.name, column.name)) }
      if old.state != column.state {
        result.append(transition(ofColumn: title, from: old.state, to: column.state, isNew: false))
      }
      if old.type != column.type { result.append("column \(column.name) has another type") }
      if old.generation != nil, column.generation == nil {
        result.append("column \(column.name) is no longer generated: it keeps its values, and takes others")
      }
      if old.isNullable != column.isNullable, !column.name.isEmpty {
        result.append(
          column.isNullable ? "column \(column.name) takes NULLs" : "column \(column.name) has no NULLs, for sure")
      }
      // One on its way out loses its name first.
      if !column.name.isEmpty,
        old.defaultText != column.defaultText || old.defaultExpression != column.defaultExpression
      {
        result.append(
          column.defaultExpression == nil
            ? "column \(column.name) has no default"
            : "column \(column.name) has the default \(column.defaultText ?? "?")"
        )
      }
    }
    for old in before.columns where after.column(old.id) == nil && !replaced.contains(old.name) && !old.isHidden {
      result.append("column \(label(old.name, nil, old.id)) is gone")
    }
    return result
  }

  private static func transition(
    ofColumn name: String, from: ElementState, to: ElementState, isNew: Bool
  ) -> String {
    switch to {
    case .absent: "column \(name) is gone"
    case .deleteOnly: "column \(name) is delete-only: nobody reads it, new rows leave it out"
    case .writeOnly where from == .public: "column \(name) is no longer readable; writes keep it for who still reads it"
    case .writeOnly: "column \(name) is writable; nobody reads it"
    case .backfilling: "column \(name) is writable; existing rows get their values"
    case .validating: "column \(name) is writable; existing rows are checked"
    case .public: isNew ? "column \(name) is added, readable and writable" : "column \(name) is readable and writable"
    }
  }

  private static func ofIndexes(_ before: TableDescriptor, _ after: TableDescriptor) -> [String] {
    var result: [String] = []
    // New ones, empty, in the places of all.
    if before.index(after.primaryIndex.id) == nil, !after.isSequence { return ["table \(after.name) is emptied"] }
    var replaced: Set<IndexID> = []
    for index in after.indexes {
      let kind = index.isUnique ? "unique index" : "index"
      let old = before.index(index.id)
      let title =
        index.replaces == nil
        ? "\(kind) \(label(index.name, old?.name, index.id))" : "the copy of index \(after.displayName(of: index))"
      guard let old else {
        result.append(transition(ofIndex: title, from: .absent, to: index.state))
        continue
      }
      if let original = old.replaces, index.replaces == nil {
        replaced.insert(original)
        result.append("the copy of index \(before.displayName(of: old)) takes its place")
        continue
      }
      if old.name != index.name { result.append(renaming(kind, old.name, index.name)) }
      if old.predicate != index.predicate
        || before.computedColumns(of: old).map(\.conversion) != after.computedColumns(of: index).map(\.conversion)
      {
        result.append("\(title) is about columns of other types")
      }
      if old.isInvisible != index.isInvisible {
        result.append("\(title) is \(index.isInvisible ? "invisible: no query uses it" : "visible to queries")")
      }
      if old.state != index.state {
        result.append(transition(ofIndex: title, from: old.state, to: index.state))
      }
    }
    for old in before.indexes where after.index(old.id) == nil && !replaced.contains(old.id) {
      result.append(
        old.replaces == nil
          ? "index \(label(old.name, nil, old.id)) is gone" : "the copy of index \(before.displayName(of: old)) is gone"
      )
    }
    return result
  }

  private static func transition(ofIndex name: String, from: ElementState, to: ElementState) -> String {
    switch to {
    case .absent: "\(name) is gone"
    case .deleteOnly: "\(name) is delete-only: deletes remove its entries, nobody adds or reads any"
    case .writeOnly where from == .public: "\(name) is no longer readable; writes keep it whole for who still reads it"
    case .writeOnly: "\(name) is writable: inserts, updates and deletes maintain it, nobody reads it"
    case .backfilling: "\(name) is writable; existing rows get their entries"
    case .validating: "\(name) is writable; its entries are compared with the rows"
    case .public: "\(name) is readable"
    }
  }

  private static func ofConstraints(_ before: TableDescriptor, _ after: TableDescriptor) -> [String] {
    var result: [String] = []
    for constraint in after.constraints {
      let name = title(of: constraint, in: after)
      guard let old = before.constraint(constraint.id) else {
        result.append(transition(of: constraint, name, from: .absent))
        continue
      }
      if old.name != constraint.name { result.append("constraint \(old.name) is renamed to \(constraint.name)") }
      if old.rule != constraint.rule { result.append("\(name) is about columns of other types") }
      if old.state != constraint.state {
        result.append(transition(of: constraint, name, from: old.state))
      }
    }
    for old in before.constraints where after.constraint(old.id) == nil {
      if let original = old.replaces.flatMap(after.constraint), original.rule == old.rule { continue }
      // A NOT NULL that every row satisfies goes on as a property of its column.
      if case .notNull(let column) = old.rule, after.column(column)?.isNullable == false { continue }
      result.append("\(title(of: old, in: before)) is gone")
    }
    return result
  }

  /// Of the table that is referred to.
  private static func ofReferences(_ before: TableDescriptor, _ after: TableDescriptor) -> [String] {
    after.referencedBy.filter { !before.referencedBy.contains($0) }.map {
      "who removes rows or changes keys looks for rows of table \($0.table == after.id ? after.name : "#\($0.table)") that refer to them"
    }
      + before.referencedBy.filter { !after.referencedBy.contains($0) }.map {
        "rows that table \($0.table == after.id ? after.name : "#\($0.table)") refers to are no longer looked for"
      }
  }

  private static func title(of constraint: ConstraintDescriptor, in table: TableDescriptor) -> String {
    switch constraint.rule {
    case .notNull(let column): "NOT NULL of column \(table.column(column)?.name ?? "\(column)")"
    case .check where constraint.replaces != nil:
      "check \(table.displayName(of: constraint)), over the new type,"
    case .check: "check \(constraint.name)"
    case .foreignKey: "foreign key \(constraint.name)"
    }
  }

  private static func transition(
    of constraint: ConstraintDescriptor, _ name: String, from: ElementState
  ) -> String {
    switch constraint.state {
    case .absent: "\(name) is gone"
    case .deleteOnly: "\(name) is known, not enforced"
    case .writeOnly where from == .public: "\(name) is no longer relied on; writes still keep to it"
    case .writeOnly: "\(name) is enforced for what is written; nobody relies on it"
    case .backfilling where constraint.isForeignKey: "\(name) is enforced by all who write either table"
    case .backfilling, .validating: "\(name) is enforced for what is written; existing rows are checked"
    case .public: "\(name) holds for every row"
    }
  }
}
