import Files
import FileTestSupport
import Foundation
import Safetensors
import Testing

@Suite struct MalformedFileTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  struct Case: Sendable, CustomTestStringConvertible {
    let header: [UInt8]
    let data: Int
    let says: String
    var testDescription: String { String(decoding: header.prefix(90), as: UTF8.self) }

    init(_ header: String, data: Int = 0, says: String) {
      self.init(Array(header.utf8), data: data, says: says)
    }

    init(_ header: [UInt8], data: Int = 0, says: String) {
      self.header = header
      self.data = data
      self.says = says
    }
  }

  static func tensor(_ type: String, _ shape: String, _ offsets: String) -> String {
    #"{"dtype":"\#(type)","shape":\#(shape),"data_offsets":\#(offsets)}"#
  }

  static let cases: [Case] = [
    // The JSON itself.
    Case("  ", says: "must begin with '{'"),
    Case(" {}", says: "must begin with '{'"),
    Case("[]", says: "must begin with '{'"),
    Case("{ ", says: "found the end of the header"),
    Case("{}{}", says: "something follows"),
    Case("{}\u{0}\u{0}", says: "something follows"),
    Case(#"{"a"}"#, says: "expected ':'"),
    Case(#"{"a":1}"#, says: "expected '{'"),
    Case(#"{"a":null}"#, says: "expected '{'"),
    Case(#"{a:1}"#, says: #"expected '"'"#),
    Case(#"{"a":{},}"#, says: "has no dtype"),
    Case(#"{"__metadata__":{},}"#, says: #"expected '"'"#),
    Case(#"{"__metadata__":{"a":"b"}"#, says: "expected '}'"),
    Case(#"{"a"#, says: "does not end"),
    Case(#"{"a\"#, says: "does not end"),
    Case(#"{"a\u12"#, says: "does not end"),
    Case(#"{"\x":1}"#, says: "unknown escape"),
    Case(#"{"\u12G4":1}"#, says: "four hexadecimal digits"),
    Case(#"{"\uD800":1}"#, says: "surrogate"),
    Case(#"{"\uDC00":1}"#, says: "surrogate"),
    Case(#"{"\uD800\u0041":1}"#, says: "surrogate"),
    Case("{\"a\nb\":1}", says: "control character"),
    Case([0x7B, 0x22, 0xFF, 0x22, 0x3A], says: "not UTF-8"),
    Case([0x7B, 0x22, 0xC0, 0x80, 0x22, 0x3A], says: "not UTF-8"),
    // Metadata.
    Case(#"{"__metadata__":[]}"#, says: "expected '{'"),
    Case(#"{"__metadata__":{"a":1}}"#, says: #"expected '"'"#),
    Case(#"{"__metadata__":{"a":"1","a":"2"}}"#, says: #"the key "a" appears twice"#),
    Case(#"{"__metadata__":{},"__metadata__":{}}"#, says: "appears twice"),
    // The parts of a tensor.
    Case(
      #"{"a":\#(tensor("U8", "[1]", "[0,1]")),"a":\#(tensor("U8", "[1]", "[1,2]"))}"#, data: 2,
      says: #"the key "a" appears twice"#),
    Case(
      #"{"a":\#(tensor("U8", "[1]", "[0,1]")),"\u0061":\#(tensor("U8", "[1]", "[1,2]"))}"#,
      data: 2, says: #"the key "a" appears twice"#),
    Case(#"{"a":{"shape":[1],"data_offsets":[0,1]}}"#, data: 1, says: "has no dtype"),
    Case(#"{"a":{"dtype":"U8","data_offsets":[0,1]}}"#, data: 1, says: "has no shape"),
    Case(#"{"a":{"dtype":"U8","shape":[1]}}"#, data: 1, says: "has no data_offsets"),
    Case(
      #"{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, data: 1,
      says: "appears twice"),
    Case(
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"stride":[1]}}"#, data: 1,
      says: #"unknown key "stride""#),
    Case(#"{"a":\#(tensor("F8", "[1]", "[0,1]"))}"#, data: 1, says: #"unknown type "F8""#),
    Case(#"{"a":\#(tensor("u8", "[1]", "[0,1]"))}"#, data: 1, says: #"unknown type "u8""#),
    Case(#"{"a":\#(tensor("U8", "[-1]", "[0,1]"))}"#, data: 1, says: "whole number"),
    Case(#"{"a":\#(tensor("U8", "[1.0]", "[0,1]"))}"#, data: 1, says: "expected ']'"),
    Case(#"{"a":\#(tensor("U8", "[1e0]", "[0,1]"))}"#, data: 1, says: "expected ']'"),
    Case(#"{"a":\#(tensor("U8", "[01]", "[0,1]"))}"#, data: 1, says: "starts with 0"),
    Case(#"{"a":\#(tensor("U8", "[\"1\"]", "[0,1]"))}"#, data: 1, says: "whole number"),
    Case(#"{"a":\#(tensor("U8", "[1,]", "[0,1]"))}"#, data: 1, says: "whole number"),
    Case(#"{"a":\#(tensor("U8", "1", "[0,1]"))}"#, data: 1, says: "expected '['"),
    Case(
      #"{"a":\#(tensor("U8", "[99999999999999999999]", "[0,1]"))}"#, data: 1, says: "too large"),
    Case(
      #"{"a":\#(tensor("F64", "[4611686018427387904,4]", "[0,0]"))}"#, says: "is too large"),
    Case(
      #"{"a":\#(tensor("F64", "[2305843009213693952]", "[0,0]"))}"#, says: "is too large"),
    // Where the bytes lie.
    Case(#"{"a":\#(tensor("U8", "[1]", "[0]"))}"#, data: 1, says: "two rising data_offsets"),
    Case(#"{"a":\#(tensor("U8", "[1]", "[0,1,1]"))}"#, data: 1, says: "two rising"),
    Case(#"{"a":\#(tensor("U8", "[1]", "[1,0]"))}"#, data: 1, says: "two rising data_offsets"),
    Case(#"{"a":\#(tensor("F32", "[2]", "[0,4]"))}"#, data: 4, says: "takes 8 bytes"),
    Case(#"{"a":\#(tensor("F32", "[]", "[0,8]"))}"#, data: 8, says: "takes 4 bytes"),
    Case(#"{"a":\#(tensor("U8", "[0]", "[0,1]"))}"#, data: 1, says: "takes 0 bytes"),
    Case(#"{"a":\#(tensor("U8", "[1]", "[1,2]"))}"#, data: 2, says: "leaves a gap"),
    Case(
      #"{"a":\#(tensor("U8", "[2]", "[0,2]")),"b":\#(tensor("U8", "[2]", "[1,3]"))}"#, data: 3,
      says: "overlaps"),
    Case(
      #"{"a":\#(tensor("U8", "[2]", "[0,2]")),"b":\#(tensor("U8", "[2]", "[0,2]"))}"#, data: 2,
      says: "overlaps"),
    Case(
      #"{"a":\#(tensor("U8", "[1]", "[0,1]")),"b":\#(tensor("U8", "[1]", "[2,3]"))}"#, data: 3,
      says: "leaves a gap"),
    Case(#"{"a":\#(tensor("U8", "[4]", "[0,4]"))}"#, data: 3, says: "it was cut short"),
    Case(#"{"a":\#(tensor("U8", "[4]", "[0,4]"))}"#, data: 5, says: "something was appended"),
    Case("{}", data: 1, says: "something was appended"),
    Case(
      #"{"a":\#(tensor("U8", "[9223372036854775807]", "[0,9223372036854775807]"))}"#,
      says: "it was cut short"),
  ]

  @Test(arguments: cases) func isRefusedWithItsReason(_ malformed: Case) throws {
    let path = folder.file("bad.safetensors")
    let length = withUnsafeBytes(of: UInt64(malformed.header.count).littleEndian, Array.init)
    let zeros = [UInt8](repeating: 0, count: malformed.data)
    try ScratchFolder.put(length + malformed.header + zeros, at: path)
    let error = #expect(throws: SafetensorsError.self) { try SafetensorsFile(path: path) }
    let text = error?.description ?? ""
    #expect(text.contains(malformed.says), "\(text)")
    #expect(text.hasPrefix(path))
  }

  @Test(arguments: [0, 1, 100_000_001, UInt64(Int.max), UInt64.max])
  func impossibleHeaderLengthsAreRefused(_ length: UInt64) throws {
    let path = folder.file("length.safetensors")
    try ScratchFolder.put(
      withUnsafeBytes(of: length.littleEndian, Array.init) + [0x7B, 0x7D], at: path)
    let error = #expect(throws: SafetensorsError.self) { try SafetensorsFile(path: path) }
    #expect(error?.description.contains("claims \(length) bytes") == true)
  }

  @Test func cutAnywhereIsAnError() throws {
    let path = folder.file("whole.safetensors")
    try SafetensorsWriter.write(
      [("a", [2, 2], [1, 2, 3, 4]), ("b", [], [5])], metadata: ["k": "v"], to: path)
    let whole = try ScratchFolder.read(path)
    let cut = folder.file("cut.safetensors")
    for count in 0..<whole.count {
      try ScratchFolder.put(Array(whole[..<count]), at: cut)
      let error = #expect(throws: SafetensorsError.self) { try SafetensorsFile(path: cut) }
      guard case .cutShort(_, let expected, count) = error else {
        Issue.record("\(count) bytes: \(String(describing: error))")
        continue
      }
      #expect(expected > count)
    }
  }

  /// Whatever single byte of the header is changed, opening ends in a file or an error, not a crash.
  @Test func damageNeverCrashes() throws {
    let path = folder.file("whole.safetensors")
    try SafetensorsWriter.write(
      [("a", [2, 2], [1, 2, 3, 4]), ("b", [], [5])], metadata: ["k": "v"], to: path)
    let whole = try ScratchFolder.read(path)
    var refused = 0
    for position in 0..<(whole.count - 20) {
      for value: UInt8 in [0, 0x22, 0x2C, 0x30, 0x39, 0x5C, 0x7D, 0xFF] {
        var damaged = whole
        damaged[position] = value
        try ScratchFolder.put(damaged, at: path)
        do { _ = try SafetensorsFile(path: path) } catch { refused += 1 }
      }
    }
    #expect(refused > whole.count)
  }

  @Test func foldersPipesAndMissingFilesAreErrors() throws {
    let pipe = folder.file("pipe")
    #expect(mkfifo(pipe, 0o600) == 0)
    for path in [folder.path, pipe, "/dev/zero"] {
      #expect(throws: SafetensorsError.file(FileError(.read, path, .notARegularFile))) {
        try SafetensorsFile(path: path)
      }
    }
    let missing = folder.file("missing")
    let error = #expect(throws: SafetensorsError.self) { try SafetensorsFile(path: missing) }
    #expect(
      error?.description
        == "cannot read \(missing): No such file or directory. Check the spelling of the path.")
  }
}
