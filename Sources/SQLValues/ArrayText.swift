/// The text form of one-dimensional arrays, `{1,2,NULL,"a b"}` (PostgreSQL 15, 8.15.6): also how their values are kept.
public enum ArrayText {
  public static func format(_ elements: [String?]) -> String {
    "{" + elements.map { $0.map(quoted) ?? "NULL" }.joined(separator: ",") + "}"
  }

  private static func quoted(_ element: String) -> String {
    let needsQuotes =
      element.isEmpty || element.uppercased() == "NULL"
      || element.unicodeScalars.contains { "{}\",\\".unicodeScalars.contains($0) || $0.properties.isWhitespace }
    guard needsQuotes else { return element }
    var result = "\""
    for scalar in element.unicodeScalars {
      if scalar == "\"" || scalar == "\\" { result += "\\" }
      result.unicodeScalars.append(scalar)
    }
    return result + "\""
  }

  /// nil for what is no array of one dimension.
  public static func parse(_ text: String) -> [String?]? {
    let scalars = Array(text.unicodeScalars)
    var start = scalars.startIndex
    var end = scalars.endIndex
    while start < end, scalars[start].properties.isWhitespace { start += 1 }
    while start < end, scalars[end - 1].properties.isWhitespace { end -= 1 }
    guard end - start >= 2, scalars[start] == "{", scalars[end - 1] == "}" else { return nil }
    var elements: [String?] = []
    var current = String.UnicodeScalarView()
    var (isQuoted, wasQuoted, isEscaped) = (false, false, false)
    func isBlank() -> Bool { current.allSatisfy { $0.properties.isWhitespace } }
    func finish() -> Bool {
      if wasQuoted {
        elements.append(String(current))
      } else {
        while current.last?.properties.isWhitespace == true { current.removeLast() }
        if current.isEmpty { return false }
        elements.append(String(current).uppercased() == "NULL" ? nil : String(current))
      }
      current = String.UnicodeScalarView()
      wasQuoted = false
      return true
    }
    let content = scalars[(start + 1)..<(end - 1)]
    if content.allSatisfy({ $0.properties.isWhitespace }) { return [] }
    for scalar in content {
      if isEscaped {
        current.append(scalar)
        isEscaped = false
      } else if scalar == "\\" {
        isEscaped = true
      } else if isQuoted {
        if scalar == "\"" { isQuoted = false } else { current.append(scalar) }
      } else {
        switch scalar {
        case "\"":
          guard !wasQuoted, isBlank() else { return nil }
          current = String.UnicodeScalarView()
          (isQuoted, wasQuoted) = (true, true)
        case "{", "}": return nil
        case ",": guard finish() else { return nil }
        case _ where scalar.properties.isWhitespace && (current.isEmpty || wasQuoted): break
        default:
          if wasQuoted { return nil }
          current.append(scalar)
        }
      }
    }
    guard !isQuoted, !isEscaped, finish() else { return nil }
    return elements
  }
}
