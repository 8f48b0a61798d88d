import Basics

/// `SIMILAR TO` and `substring(text FROM pattern FOR escape)`: SQL's regular expressions as PostgreSQL's (PostgreSQL 15,
/// 9.7.2).
enum SimilarPattern {
  /// Throws 22019 for an escape text of several characters, 2200C for more than two separators.
  static func regularExpression(_ pattern: String, escape: String) throws(SQLError) -> String {
    let marks = Array(escape.unicodeScalars)
    guard marks.count <= 1 else {
      throw SQLError(
        SQLState("22019"), "invalid escape string", hint: "Escape string must be empty or one character.")
    }
    var result = "^(?:"
    var separators = 0
    var isInBracket = false
    var isEscaped = false
    for scalar in pattern.unicodeScalars {
      if isEscaped {
        isEscaped = false
        if scalar == "\"", !isInBracket {
          separators += 1
          switch separators {
          // What is before and behind the wanted part takes as little as it can.
          case 1: result += "){1,1}?("
          case 2: result += "){1,1}(?:"
          default:
            throw SQLError(
              SQLState("2200C"), "SQL regular expression may not contain more than two escape-double-quote separators")
          }
        } else {
          result += "\\"
          result.unicodeScalars.append(scalar)
        }
        continue
      }
      if scalar == marks.first {
        isEscaped = true
        continue
      }
      if isInBracket {
        if scalar == "\\" { result += "\\" }
        result.unicodeScalars.append(scalar)
        if scalar == "]" { isInBracket = false }
        continue
      }
      switch scalar {
      case "[":
        isInBracket = true
        result += "["
      case "%": result += ".*"
      case "_": result += "."
      case "(": result += "(?:"
      case "\\", ".", "^", "$":
        result += "\\"
        result.unicodeScalars.append(scalar)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + ")$"
  }
}
