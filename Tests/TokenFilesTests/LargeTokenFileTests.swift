import FileTestSupport
import Files
import Foundation
import Safetensors
import Testing
import TokenFiles

/// Files of more than 2^32 ids and bytes: hollow ones, of which little more than both ends is stored.
struct LargeTokenFileTests {
  private static let side = 4096
  private static let images = 257
  private static let count = images * side * side

  private let folder: ScratchFolder
  private let assumption = TokenAssumption(
    identity: Samples.identity(codes: 100), gridHeight: side, gridWidth: side)

  init() throws { folder = try ScratchFolder() }

  /// A header, zeros, and the last ids.
  private func write(_ header: [UInt8], _ last: [UInt8], to name: String) throws -> String {
    try folder.write(header, to: name)
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: folder.file(name)))
    try file.truncate(atOffset: UInt64(header.count + Self.count))
    try file.seek(toOffset: UInt64(header.count + Self.count - last.count))
    try file.write(contentsOf: last)
    try file.close()
    return folder.file(name)
  }

  private func npy(_ last: [UInt8]) throws -> String {
    var text = "{'descr': '|u1', 'fortran_order': False, "
    text += "'shape': (\(Self.images), \(Self.side), \(Self.side)), }"
    text += String(repeating: " ", count: 117 - text.utf8.count) + "\n"
    return try write(
      [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(text.utf8), last, to: "ids.npy")
  }

  private func safetensors(_ last: [UInt8]) throws -> String {
    var text = #"{"tokens":{"dtype":"U8","shape":[\#(Self.images),\#(Self.side),\#(Self.side)],"#
    text += #""data_offsets":[0,\#(Self.count)]}}"#
    text += String(repeating: " ", count: 127 - text.utf8.count) + "\n"
    return try write(
      [128, 0, 0, 0, 0, 0, 0, 0] + Array(text.utf8), last, to: "ids.safetensors")
  }

  // All ids are zeros to read for half a minute: they are trusted.
  @Test func theLastImageIsRead() throws {
    for path in [try npy([7, 99]), try safetensors([7, 99])] {
      let file = try TokenFile.open(path: path, assuming: assumption, trusting: [path])
      #expect(file.count == Self.images)
      let tokens = try file.record(at: Self.images - 1).tokens
      #expect(tokens.count == Self.side * Self.side)
      #expect(tokens.suffix(3) == [0, 7, 99])
      #expect(try file.record(at: 255).tokens.allSatisfy { $0 == 0 })
    }
  }

  @Test func anIdThatIsNoneIsFoundInTheLastImage() throws {
    let path = try npy([200])
    let file = try TokenFile.open(path: path, assuming: assumption, trusting: [path])
    #expect(throws: TokenFileError.file(FileError(.read, path, .replaced))) {
      try file.record(at: Self.images - 1)
    }
  }

  @Test func aFileThatIsOneByteShortIsRefused() throws {
    for path in [try npy([7]), try safetensors([7])] {
      let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
      try file.truncate(atOffset: file.seekToEnd() - 1)
      try file.close()
      #expect(throws: TokenFileError.self) {
        try TokenFile.open(path: path, assuming: assumption, trusting: [path])
      }
    }
  }
}
