import Basics
import Catalog
import SchemaChange

/// The schema changes of a session's open transaction block: its own statements see them, nobody else does before COMMIT.
struct TransactionSchema {
  private(set) var draft: SchemaDraft
  /// Of the statements, for the job.
  private(set) var texts: [String] = []
  /// With the changes, as far as the block's statements can use them.
  private(set) var catalog: CatalogView
  private var unreadable: Set<TableID> = []
  /// The operation that the client has named was begun before: COMMIT answers what became of it.
  let isRepetition: Bool

  init(_ catalog: CatalogView, database: DatabaseID, isRepetition: Bool) {
    draft = SchemaDraft(catalog: catalog, databaseID: database)
    self.catalog = catalog
    self.isRepetition = isRepetition
  }

  mutating func apply(
    _ statement: SchemaStatement, text: String
  ) throws(SQLError) -> (commandTag: String, notices: [String]) {
    if let tag = repeated(text) { return (tag, []) }
    let answer = try draft.apply(statement)
    texts.append(text)
    look()
    return answer
  }

  /// The tag of a statement that need not be looked at, because the operation is known; else nil.
  mutating func repeated(_ text: String) -> String? {
    guard isRepetition else { return nil }
    texts.append(text)
    return SchemaChangeCall.commandTag(text)
  }

  /// Brings the changes to what others have made of the catalog meanwhile.
  mutating func rebase(on base: CatalogView) throws(SQLError) {
    draft = try draft.rebased(on: base)
    look()
  }

  private mutating func look() {
    catalog = draft.visibleCatalog()
    unreadable = draft.unreadableTables
  }

  /// Throws if a statement of the block reads rows that are there only once the changes are made.
  func requireReadable(_ tables: [TableID]) throws(SQLError) {
    guard let table = tables.first(where: unreadable.contains) else { return }
    throw SQLError.unsupported(
      "reading table \"\(draft.base.table(id: table)?.name ?? "")\" in the transaction that copies or empties it")
  }

  /// Throws if a statement of the block writes rows of a table that the block changes.
  func requireWritable(_ tables: some Sequence<TableID>) throws(SQLError) {
    let changed = Set(draft.changedTables)
    guard tables.contains(where: changed.contains) else { return }
    let writable = try draft.writableTables()
    guard let table = tables.first(where: { changed.contains($0) && !writable.contains($0) }) else { return }
    throw SQLError.unsupported(
      "writing rows of table \"\(draft.base.table(id: table)?.name ?? "")\" in the transaction that changes its schema")
  }

  /// Throws 40001 if rows that the block has written to a table of its own do not fit what the table has become, because others
  /// have changed what it was made from.
  func requireSameRows(of table: TableDescriptor) throws(SQLError) {
    guard draft.catalog.table(id: table.id)?.hasSameRows(as: table) != true else { return }
    throw SchemaDraft.changedMeanwhile
  }

  /// The version that others know; nil: the transaction creates it.
  func pinnedVersion(of table: TableID) -> TableVersion? { draft.base.table(id: table)?.version }
}
