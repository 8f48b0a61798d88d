import Basics
import Catalog

/// `search_path`: the schemas in which names without a schema are looked up, and into the first of which new things come
/// (PostgreSQL 15, 5.9.3 and 20.11).
struct SearchPath {
  /// Names as in the setting; `$user` stands for a schema named as the user.
  private let names: [String]
  private let text: String
  /// Those that are there, of the newest catalog asked about.
  private var found: (index: SchemaIndex, database: DatabaseID, user: String, schemas: [String])?

  /// Of what is no list of names nothing is found.
  init(_ text: String) {
    self.text = text
    names = Self.parse(text) ?? []
  }

  func isOf(_ text: String) -> Bool { self.text == text }

  /// The schemas of the path that are there, in its order. `pg_catalog` is looked into anyway, before all others.
  mutating func schemas(in catalog: CatalogView, _ database: DatabaseID, user: String) -> [String] {
    if let found, found.index == catalog.namespacesIndex, found.database == database, found.user == user {
      return found.schemas
    }
    var schemas: [String] = []
    for name in names.map({ $0 == "$user" ? user : $0 })
    where catalog.namespace(named: name, in: database) != nil && !schemas.contains(name) {
      schemas.append(name)
    }
    found = (catalog.namespacesIndex, database, user, schemas)
    return schemas
  }

  /// `a, "B c"`: names in quotes as they stand, others in lower case. Nil: not such a list.
  static func parse(_ text: String) -> [String]? {
    var names: [String] = []
    var rest = text[...].drop(while: \.isWhitespace)
    if rest.isEmpty { return [] }
    while true {
      var name = ""
      if rest.first == "\"" {
        rest = rest.dropFirst()
        while true {
          guard let character = rest.popFirst() else { return nil }
          guard character == "\"" else {
            name.append(character)
            continue
          }
          guard rest.first == "\"" else { break }
          name.append("\"")
          rest = rest.dropFirst()
        }
      } else {
        while let character = rest.first, character != ",", !character.isWhitespace {
          if character == "\"" { return nil }
          name += character.lowercased()
          rest = rest.dropFirst()
        }
        if name.isEmpty { return nil }
      }
      names.append(name)
      rest = rest.drop(while: \.isWhitespace)
      guard let comma = rest.popFirst() else { return names }
      guard comma == "," else { return nil }
      rest = rest.drop(while: \.isWhitespace)
    }
  }

  /// A list of names as the setting keeps it: in quotes where they need them.
  static func format(_ names: [String]) -> String {
    names.map { name in
      let isPlain = name.utf8.enumerated().allSatisfy { position, byte in
        byte == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
          || (position > 0 && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte))
      }
      if isPlain, !name.isEmpty { return name }
      var result = "\""
      for character in name { result += character == "\"" ? "\"\"" : String(character) }
      return result + "\""
    }.joined(separator: ", ")
  }
}
