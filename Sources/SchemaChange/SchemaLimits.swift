/// Every limit on schema objects, in one place. Exceeding one is an error of class 54.
public enum SchemaLimits {
  /// PostgreSQL's MaxHeapAttributeNumber.
  public static let maximumColumns = 1_600
  /// PostgreSQL's INDEX_MAX_KEYS.
  public static let maximumIndexColumns = 32
  public static let maximumIndexesPerTable = 64
  /// `CHECK` constraints; NOT NULLs on their way in or out count as well.
  public static let maximumConstraintsPerTable = 256
  /// PostgreSQL's NAMEDATALEN - 1.
  public static let maximumNameBytes = 63
  public static let maximumNamespaces = 10_000
  /// Labels of an enumerated type.
  public static let maximumEnumValues = 10_000
  /// What stands for a label in rows: longer ones come from thousands of labels put between the same two.
  static let maximumEnumKeyBytes = 1_024
  /// `COMMENT ON`.
  public static let maximumCommentBytes = 65_536
  /// The query of a view, as it is stored.
  public static let maximumViewBytes = 262_144
  /// Sequences and views count as tables.
  public static let maximumTables = 100_000
  /// Tables, sequences, views, types and schemas that were ever created: their ids are never used again.
  public static let maximumTableID: UInt64 = (1 << 29) - 1
  /// `CACHE` of the sequences of serial and identity columns, if they do not say otherwise.
  public static let generatedSequenceCache: Int64 = 128
  /// Alterations in one `ALTER TABLE`, tables in one `DROP TABLE`.
  public static let maximumObjectsPerStatement = 1_600
  /// Schema changes between BEGIN and COMMIT.
  public static let maximumStatementsPerTransaction = 1_000
  /// An encoded default expression or constant of one column, or a CHECK constraint's expression.
  public static let maximumDefaultBytes = 65_536
}
