/// The header of a safetensors file: eight bytes of length, then JSON, then the data section.
///
/// Format: https://huggingface.co/docs/safetensors. All rules are checked in both directions.
struct Header {
  /// The length field in front of the JSON.
  static let lengthSize = 8
  /// No header may be longer; the format's own limit.
  static let maximumSize = 100_000_000

  /// By offset.
  var entries: [TensorEntry]
  var metadata: [String: String]

  /// Bytes in the data section.
  var dataSize: Int { entries.last?.range.upperBound ?? 0 }

  /// Parses the JSON part.
  init(parsing bytes: UnsafeRawBufferPointer) throws(HeaderFault) {
    var scanner = HeaderScanner(bytes)
    guard bytes.first == UInt8(ascii: "{") else {
      throw scanner.fault("the header must begin with '{'")
    }
    var entries: [TensorEntry] = []
    var metadata: [String: String] = [:]
    try scanner.object { (scanner, name, place) throws(HeaderFault) in
      if name == "__metadata__" {
        try scanner.object { (scanner, key, _) throws(HeaderFault) in
          metadata[key] = try scanner.string()
        }
      } else {
        entries.append(try Self.entry(name, at: place, in: &scanner))
      }
    }
    if scanner.peek() != nil { throw scanner.fault("something follows the header's object") }

    // Empty tensors share their offset with the next one.
    entries.sort {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    var end = 0
    for entry in entries {
      guard entry.range.lowerBound == end else {
        let how = entry.range.lowerBound > end ? "leaves a gap" : "overlaps another tensor"
        throw HeaderFault(
          reason: "tensor \"\(entry.name)\" starts at offset \(entry.range.lowerBound) and \(how); "
            + "expected \(end)", position: nil)
      }
      end = entry.range.upperBound
    }
    self.entries = entries
    self.metadata = metadata
  }

  private static func entry(
    _ name: String, at place: Int, in scanner: inout HeaderScanner
  ) throws(HeaderFault) -> TensorEntry {
    var type: ElementType?
    var shape: [Int]?
    var offsets: [Int]?
    try scanner.object { (scanner, key, place) throws(HeaderFault) in
      switch key {
      case "dtype":
        let text = try scanner.string()
        type = ElementType(rawValue: text)
        if type == nil {
          let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
          throw scanner.fault(
            "tensor \"\(name)\" has the unknown type \"\(text)\", expected one of \(known)")
        }
      case "shape": shape = try scanner.integers()
      case "data_offsets": offsets = try scanner.integers()
      default:
        throw scanner.fault("tensor \"\(name)\" has the unknown key \"\(key)\"", at: place)
      }
    }
    guard let type, let shape, let offsets else {
      let missing = type == nil ? "dtype" : shape == nil ? "shape" : "data_offsets"
      throw scanner.fault("tensor \"\(name)\" has no \(missing)", at: place)
    }
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw scanner.fault(
        "tensor \"\(name)\" needs two rising data_offsets, found \(offsets)", at: place)
    }
    let declared = TensorDeclaration(name: name, type: type, shape: shape).byteCount
    guard let declared else {
      throw scanner.fault("the shape \(shape) of tensor \"\(name)\" is too large", at: place)
    }
    guard declared == offsets[1] - offsets[0] else {
      throw scanner.fault(
        "tensor \"\(name)\", \(type.rawValue) \(shape), takes \(declared) bytes, "
          + "but its data_offsets span \(offsets[1] - offsets[0])", at: place)
    }
    return TensorEntry(name: name, type: type, shape: shape, range: offsets[0]..<offsets[1])
  }
}

extension Header {
  /// Lays tensors out: widest elements first, then by name, so that each is aligned to its element.
  ///
  /// The layout depends on the tensors only, never on the order in which they were declared.
  init(laying tensors: [TensorDeclaration], metadata: [String: String]) throws(HeaderFault) {
    let ordered = tensors.sorted {
      let (left, right) = ($0.type.byteCount, $1.type.byteCount)
      return left != right ? left > right : Self.precedes($0.name, $1.name)
    }
    var names = Set<String>()
    var end = 0
    entries = []
    self.metadata = metadata
    for tensor in ordered {
      guard tensor.name != "__metadata__", names.insert(tensor.name).inserted else {
        throw HeaderFault(reason: "the tensor name \"\(tensor.name)\" is taken", position: nil)
      }
      guard let count = tensor.byteCount,
        case let (sum, overflow) = end.addingReportingOverflow(count),
        !overflow
      else {
        throw HeaderFault(
          reason: "the shape \(tensor.shape) of tensor \"\(tensor.name)\" is negative or too large",
          position: nil)
      }
      entries.append(
        TensorEntry(
          name: tensor.name, type: tensor.type, shape: tensor.shape, range: end..<sum))
      end = sum
    }
  }

  /// Length field and JSON, padded with spaces so that the data section starts at a multiple of 8.
  func encoded() -> [UInt8] {
    var items: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { Self.precedes($0.key, $1.key) }
        .map { Self.quoted($0.key) + ":" + Self.quoted($0.value) }
      items.append("\"__metadata__\":{" + pairs.joined(separator: ",") + "}")
    }
    for entry in entries.sorted(by: { Self.precedes($0.name, $1.name) }) {
      let shape = entry.shape.map(String.init).joined(separator: ",")
      items.append(
        Self.quoted(entry.name)
          + ":{\"dtype\":\"\(entry.type.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(entry.range.lowerBound),\(entry.range.upperBound)]}")
    }
    var json = Array(("{" + items.joined(separator: ",") + "}").utf8)
    json.append(contentsOf: repeatElement(0x20, count: (8 - json.count % 8) % 8))
    return withUnsafeBytes(of: UInt64(json.count).littleEndian, Array.init) + json
  }

  /// By bytes: Swift's own order of strings takes differently composed letters for the same.
  static func precedes(_ left: String, _ right: String) -> Bool {
    left.utf8.lexicographicallyPrecedes(right.utf8)
  }

  /// A JSON string literal.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{0}"..<"\u{20}":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
