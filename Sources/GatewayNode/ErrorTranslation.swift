import Basics
import Catalog
import ClusterClient
import SQLExecution

/// From what a transaction says to what a client reads.
enum ErrorTranslation {
  static func sqlError(_ fault: TransactionFault, catalog: CatalogView?) -> SQLError {
    switch fault {
    case .retry(let error, _), .failed(let error): return error
    case .keyExists(let key, let value): return duplicateKey(key, value, catalog)
    }
  }

  /// A key begins with its table's and its index's number (Architecture.md, "Keys and values").
  private static func duplicateKey(_ key: [UInt8], _ value: [UInt8], _ catalog: CatalogView?) -> SQLError {
    guard key.count >= 12 else {
      return SQLError(.uniqueViolation, "duplicate key value violates a unique constraint")
    }
    let tableID = TableID(key[0..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    let indexID = IndexID(key[8..<12].reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    guard let table = catalog?.table(id: tableID) else {
      return SQLError(.uniqueViolation, "duplicate key value violates a unique constraint")
    }
    return ConstraintViolation.duplicateKey(table: table, index: indexID, value: value)
  }
}
