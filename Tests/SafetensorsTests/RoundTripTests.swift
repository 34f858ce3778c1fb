import FileTestSupport
import Foundation
import Safetensors
import Testing

@Suite struct RoundTripTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// Three elements of every type, an empty tensor, and a scalar, each with its own bytes.
  static let declarations: [TensorDeclaration] =
    ElementType.allCases.map { TensorDeclaration(name: "x.\($0.rawValue)", type: $0, shape: [3]) }
    + [
      TensorDeclaration(name: "empty", type: .i32, shape: [4, 0, 2]),
      TensorDeclaration(name: "scalar", type: .f64, shape: []),
    ]

  static func bytes(of entry: TensorEntry) -> [UInt8] {
    entry.range.map {
      // A boolean is 0 or 1, and Python looks.
      entry.type == .bool ? UInt8($0 & 1) : UInt8(truncatingIfNeeded: $0 &* 37 &+ 11)
    }
  }

  static let metadata = [
    "plain": "text", "ünïcode 🧩": "漢字 \u{1F600}", "escapes": "\"\\/\u{8}\u{C}\n\r\t\u{1}\u{7F}",
    "": "",
  ]

  func write(_ declarations: [TensorDeclaration], to path: String, pieces: Int = 5) throws {
    let writer = try SafetensorsWriter(
      path: path, tensors: declarations, metadata: Self.metadata)
    for entry in writer.entries {
      let bytes = Self.bytes(of: entry)
      for start in stride(from: 0, to: bytes.count, by: pieces) {
        try bytes[start..<min(start + pieces, bytes.count)].withUnsafeBytes {
          try writer.append($0, to: entry.name)
        }
      }
    }
    try writer.finish()
  }

  @Test func everyTypeComesBack() throws {
    let path = folder.file("all types.safetensors")
    try write(Self.declarations, to: path)
    let file = try SafetensorsFile(path: path)
    #expect(file.metadata == Self.metadata)
    #expect(file.entries.count == Self.declarations.count)
    for declaration in Self.declarations {
      let entry = try file.entry(declaration.name)
      #expect(entry.type == declaration.type)
      #expect(entry.shape == declaration.shape)
      #expect(entry.elementCount == declaration.shape.reduce(1, *))
      #expect(entry.range.lowerBound % entry.type.byteCount == 0, "aligned to its element")
      let bytes = try file.withBytes(of: declaration.name) { Array($0) }
      #expect(bytes == Self.bytes(of: entry))
    }
    #expect(try folder.contents() == ["all types.safetensors"])
  }

  @Test func theBytesDoNotDependOnTheOrderOfDeclaration() throws {
    let (one, two) = (folder.file("one"), folder.file("two"))
    try write(Self.declarations, to: one, pieces: 1)
    try write(Self.declarations.reversed(), to: two, pieces: 1000)
    let bytes = try ScratchFolder.read(one)
    #expect(try bytes == ScratchFolder.read(two))
    let header = Int(bytes[0]) + Int(bytes[1]) << 8 + Int(bytes[2]) << 16
    #expect(header % 8 == 0)
  }

  @Test func aFileWithoutTensorsIsValid() throws {
    let path = folder.file("nothing")
    try SafetensorsWriter.write([], to: path)
    let file = try SafetensorsFile(path: path)
    #expect(file.entries.isEmpty && file.metadata.isEmpty)
  }

  @Test func largeTensorsPassInBoundedPieces() throws {
    let path = folder.file("large")
    let values = (0..<300_000).map { Float($0) * 0.5 }
    try SafetensorsWriter.write([("big", [300, 1000], values), ("a", [], [7])], to: path)
    let file = try SafetensorsFile(path: path)
    #expect(try file.floats("big", shape: [300, 1000]) == values)
    #expect(try file.floats("a") == [7])
  }

  @Test func openFilesOutliveTheirReplacement() throws {
    let path = folder.file("x")
    try SafetensorsWriter.write([("w", [1], [1])], to: path)
    let old = try SafetensorsFile(path: path)
    try SafetensorsWriter.write([("w", [1], [2])], to: path)
    #expect(try old.floats("w") == [1])
    #expect(try SafetensorsFile(path: path).floats("w") == [2])
  }

  @Test(.enabled(if: PythonPeer.numpy.isHere, "\(PythonPeer.numpy.absence)"))
  func pythonReadsWhatWeWrite() throws {
    let path = folder.file("for python.safetensors")
    // numpy has no bfloat16.
    try write(Self.declarations.filter { $0.type != .bf16 }, to: path)
    let file = try SafetensorsFile(path: path)
    let output = try PythonPeer.numpy.run(
      script: """
        import sys, safetensors.numpy, safetensors
        t = safetensors.numpy.load_file(sys.argv[1])
        for k in sorted(t): print(k, t[k].dtype, list(t[k].shape), t[k].tobytes().hex())
        m = safetensors.safe_open(sys.argv[1], framework="numpy").metadata()
        for k in sorted(m): print(ascii(k), ascii(m[k]))
        """, [path])
    var expected: [String] = []
    let names = [
      "F64": "float64", "F32": "float32", "F16": "float16", "I64": "int64", "I32": "int32",
      "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16",
      "U8": "uint8", "BOOL": "bool",
    ]
    for entry in file.entries.sorted(by: { $0.name < $1.name }) {
      let hex = Self.bytes(of: entry).map { String(format: "%02x", $0) }.joined()
      let shape = "[" + entry.shape.map(String.init).joined(separator: ", ") + "]"
      expected.append("\(entry.name) \(names[entry.type.rawValue] ?? "?") \(shape) \(hex)")
    }
    expected += [
      "'' ''", #"'escapes' '"\\/\x08\x0c\n\r\t\x01\x7f'"#, "'plain' 'text'",
      #"'\xfcn\xefcode \U0001f9e9' '\u6f22\u5b57 \U0001f600'"#,
    ]
    let lines = output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    #expect(lines == expected.map { $0.trimmingCharacters(in: .whitespaces) })
  }

  @Test(.enabled(if: PythonPeer.numpy.isHere, "\(PythonPeer.numpy.absence)"))
  func weReadWhatPythonWrites() throws {
    let path = folder.file("from python.safetensors")
    _ = try PythonPeer.numpy.run(
      script: """
        import sys, numpy as np, safetensors.numpy
        safetensors.numpy.save_file({
          "b.half": np.array([[1.5, -0.25], [65504, 6e-8]], np.float16),
          "a.single": np.array(3.25, np.float32), "ids": np.arange(5, dtype=np.uint16),
          "none": np.zeros((0, 3), np.float64)}, sys.argv[1], metadata={"who": "pythön"})
        """, [path])
    let file = try SafetensorsFile(path: path)
    #expect(file.metadata == ["who": "pythön"])
    #expect(try file.floats("a.single", shape: []) == [3.25])
    #expect(try file.floats("b.half", shape: [2, 2]) == [1.5, -0.25, 65504, 0x1p-24])
    #expect(try file.floats("none") == [])
    #expect(try file.withBytes(of: "ids") { Array($0) } == [0, 0, 1, 0, 2, 0, 3, 0, 4, 0])
  }
}
