import Files

/// Errors in a safetensors file, or in a request to it.
public enum SafetensorsError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file cannot be read or written at all.
  case file(FileError)
  /// The file ends before its own header says it does.
  case cutShort(path: String, expected: Int, found: Int)
  /// The file continues after the last tensor.
  case tooLong(path: String, expected: Int, found: Int)
  /// The header breaks a rule of the format; `position` counts bytes from the start of the file.
  case malformed(path: String, reason: String, position: Int?)
  /// No tensor of that name; `nearest` is the most similar name there is.
  case noSuchTensor(path: String, name: String, nearest: String?, count: Int)
  /// The tensor has another shape than asked for.
  case shape(path: String, name: String, expected: [Int], found: [Int])
  /// The tensor's numbers cannot become what was asked for.
  case type(path: String, name: String, expected: String, found: ElementType)
  /// A number does not fit into a `Float`.
  case outOfRange(path: String, name: String, index: Int, value: Double)
  /// The tensors to write are invalid: names, shapes or sizes that do not match.
  case declaration(path: String, reason: String)

  /// The file, what was expected, what was found, the way out.
  public var description: String {
    switch self {
    case .file(let error):
      return error.description
    case .cutShort(let path, let expected, let found):
      return "\(path) ends after \(found) of \(expected) bytes: it was cut short. "
        + "Copy or download it again, or go back to an earlier one."
    case .tooLong(let path, let expected, let found):
      return "\(path) has \(found) bytes where its header accounts for \(expected): it was "
        + "damaged or something was appended. Copy or download it again."
    case .malformed(let path, let reason, let position):
      let place = position.map { " (at byte \($0))" } ?? ""
      return "\(path) is not a valid safetensors file: \(reason)\(place). "
        + "Copy or download it again, or write it anew with a safetensors library."
    case .noSuchTensor(let path, let name, let nearest, let count):
      let hint =
        nearest.map { "did you mean \"\($0)\"?" }
        ?? "none of its \(count) tensors has a similar name."
      return "\(path) has no tensor \"\(name)\": \(hint)"
    case .shape(let path, let name, let expected, let found):
      return "\(path): tensor \"\(name)\" has shape \(found), expected \(expected). "
        + "The file belongs to a model with another configuration."
    case .type(let path, let name, let expected, let found):
      return "\(path): tensor \"\(name)\" is \(found.rawValue), expected \(expected). "
        + "Convert it, or name another tensor."
    case .outOfRange(let path, let name, let index, let value):
      return "\(path): element \(index) of tensor \"\(name)\" is \(value), more than a 32-bit "
        + "float can hold. Rescale it before it is saved."
    case .declaration(let path, let reason):
      return "cannot write \(path): \(reason)."
    }
  }
}
