/// A file of `torch.save`, byte by byte, so that tests need no PyTorch and can spoil it.
struct TorchArchive {
  /// The pickle.
  var pickle: [UInt8]
  /// The storages by their keys.
  var storages: [(key: String, bytes: [UInt8])] = []
  /// Bits of the entries' flags, and how they are stored.
  var flags: UInt16 = 0
  var method: UInt16 = 0

  /// The file.
  var bytes: [UInt8] {
    var file: [UInt8] = []
    var directory: [UInt8] = []
    let entries =
      [("archive/data.pkl", pickle)] + storages.map { ("archive/data/" + $0.key, $0.bytes) }
    for (name, data) in entries {
      let start = file.count
      let sizes = Self.word(UInt32(data.count)) + Self.word(UInt32(data.count))
      let common = Self.short(flags) + Self.short(method) + Self.word(0) + Self.word(0) + sizes
      file += Self.word(0x0403_4B50) + Self.short(20) + common
      file += Self.short(UInt16(name.utf8.count)) + Self.short(0) + Array(name.utf8) + data
      directory += Self.word(0x0201_4B50) + Self.short(20) + Self.short(20) + common
      directory += Self.short(UInt16(name.utf8.count)) + [UInt8](repeating: 0, count: 12)
      directory += Self.word(UInt32(start)) + Array(name.utf8)
    }
    let start = file.count
    file += directory + Self.word(0x0605_4B50) + Self.word(0)
    file += Self.short(UInt16(entries.count)) + Self.short(UInt16(entries.count))
    return file + Self.word(UInt32(directory.count)) + Self.word(UInt32(start)) + Self.short(0)
  }

  static func short(_ value: UInt16) -> [UInt8] { [UInt8(value & 255), UInt8(value >> 8)] }
  static func word(_ value: UInt32) -> [UInt8] {
    short(UInt16(value & 0xFFFF)) + short(UInt16(value >> 16))
  }

  // MARK: Pickles

  /// A text.
  static func text(_ text: String) -> [UInt8] {
    [UInt8(ascii: "X")] + word(UInt32(text.utf8.count)) + Array(text.utf8)
  }

  /// An integer.
  static func integer(_ value: Int32) -> [UInt8] {
    [UInt8(ascii: "J")] + word(UInt32(bitPattern: value))
  }

  /// A class or function.
  static func global(_ module: String, _ name: String) -> [UInt8] {
    Array("c\(module)\n\(name)\n".utf8)
  }

  /// A tuple of parts.
  static func tuple(_ parts: [[UInt8]]) -> [UInt8] {
    [UInt8(ascii: "(")] + parts.flatMap { $0 } + [UInt8(ascii: "t")]
  }

  /// A call.
  static func call(_ maker: [UInt8], _ arguments: [[UInt8]]) -> [UInt8] {
    maker + tuple(arguments) + [UInt8(ascii: "R")]
  }

  /// A dictionary.
  static func dictionary(_ items: [(String, [UInt8])]) -> [UInt8] {
    Array("}(".utf8) + items.flatMap { text($0.0) + $0.1 } + [UInt8(ascii: "u")]
  }

  /// A tensor of a storage.
  static func tensor(
    _ key: String, _ shape: [Int32], elements: Int32, offset: Int32 = 0, strides: [Int32]? = nil,
    kind: String = "FloatStorage"
  ) -> [UInt8] {
    var dense: [Int32] = []
    var step: Int32 = 1
    for extent in shape.reversed() {
      dense.insert(step, at: 0)
      step = step &* extent
    }
    let identity = tuple([
      text("storage"), global("torch", kind), text(key), text("cpu"), integer(elements),
    ])
    return call(
      global("torch._utils", "_rebuild_tensor_v2"),
      [
        identity + [UInt8(ascii: "Q")], integer(offset), tuple(shape.map(integer)),
        tuple((strides ?? dense).map(integer)), [0x89],
        call(global("collections", "OrderedDict"), []),
      ])
  }

  /// A whole pickle.
  static func program(_ value: [UInt8]) -> [UInt8] { [0x80, 2] + value + [UInt8(ascii: ".")] }

  /// Floats as they lie in a storage.
  static func floats(_ values: [Float]) -> [UInt8] { values.flatMap { word($0.bitPattern) } }
}
