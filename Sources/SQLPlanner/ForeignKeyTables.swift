import Basics
import Catalog

/// Finds the tables that foreign keys tie to a change of rows: those whose rows have to be there, those whose rows may refer
/// to what goes, and, where a foreign key changes rows that refer, what is tied to these changes in turn.
///
/// All of them are used as if they were written: a commit is refused if one of them has meanwhile gone beyond what this
/// statement knew of it.
struct ForeignKeyTables {
  enum Change: Hashable {
    case insert
    /// Of these columns.
    case update(Set<ColumnID>)
    case delete
  }

  private struct Visit: Hashable {
    let table: TableID
    let change: Change
  }

  private let catalog: CatalogView
  private var found: [TableID: TableDescriptor] = [:]
  private var visited: Set<Visit> = []

  private init(_ catalog: CatalogView) { self.catalog = catalog }

  /// Ascending by id; with the table itself only if a foreign key leads to it.
  static func tied(to change: Change, of table: TableDescriptor, in binder: StatementBinder) -> [TableDescriptor] {
    if table.referencedBy.isEmpty, !table.constraints.contains(where: \.isForeignKey) { return [] }
    var tables = ForeignKeyTables(binder.catalog)
    tables.visit(table, change)
    let result = tables.found.values.sorted { $0.id < $1.id }
    for table in result { binder.noteWritten(table) }
    return result
  }

  private mutating func visit(_ table: TableDescriptor, _ change: Change) {
    // What is generated from the columns changes with them.
    if case .update(let columns) = change {
      let whole = columns.union(table.columns(generatedFrom: columns).map(\.id))
      if whole != columns { return visit(table, .update(whole)) }
    }
    guard visited.insert(Visit(table: table.id, change: change)).inserted else { return }
    if change != .delete { referred(by: table, change) }
    if change != .insert { referring(to: table, change) }
  }

  private mutating func referred(by table: TableDescriptor, _ change: Change) {
    for (_, rule) in table.enforcedForeignKeys {
      if case .update(let columns) = change, columns.isDisjoint(with: rule.columns) { continue }
      if let other = catalog.table(id: rule.referencedTable) { found[other.id] = other }
    }
  }

  private mutating func referring(to table: TableDescriptor, _ change: Change) {
    for reference in table.referencedBy {
      guard let other = catalog.table(id: reference.table), other.state == .public,
        let constraint = other.constraint(reference.constraint), constraint.state.isWritable,
        case .foreignKey(let rule) = constraint.rule
      else { continue }
      if case .update(let columns) = change, columns.isDisjoint(with: rule.referencedColumns) { continue }
      found[other.id] = other
      let action = change == .delete ? rule.onDelete : rule.onUpdate
      guard action.changesRows else { continue }
      visit(other, change == .delete && action == .cascade ? .delete : .update(Set(rule.columns)))
    }
  }
}
