import Datasets
import FileTestSupport
import Files
import Foundation
import Imaging
import Testing

/// What is remembered of images, and what it spares.
@Suite struct ImageIndexTests {
  private let folder: ScratchFolder

  init() throws {
    folder = try ScratchFolder()
    for index in 0..<6 { try folder.writeImage("in/\(index).png", tint: index) }
  }

  private func store(_ known: ImageIndex? = nil, megabytes: Int = 0) throws -> ImageStore {
    try ImageStore(
      source: ImageSource(path: folder.file("in")), augmentation: Augmentation(size: 8),
      cacheMegabytes: megabytes, known: known)
  }

  /// Replaces a file by bytes of the same number, and its time by the former or another.
  private func replace(_ name: String, with byte: UInt8, keepsTime: Bool) throws {
    let path = folder.file("in/" + name)
    let before = try #require(FileVersion(path: path))
    try ScratchFolder.put([UInt8](repeating: byte, count: before.byteCount), at: path)
    var times = [
      timespec(tv_sec: 0, tv_nsec: 0),
      timespec(
        tv_sec: before.modified / 1_000_000_000 + (keepsTime ? 0 : 7),
        tv_nsec: before.modified % 1_000_000_000),
    ]
    try #require(utimensat(AT_FDCWD, path, &times, 0) == 0)
  }

  @Test func itIsReadAsItWasWritten() throws {
    let index = try store().index
    #expect(index.count == 6)
    let path = folder.file("images.index")
    try index.write(to: path)
    #expect(ImageIndex(path: path) == index)
    let bytes = try ScratchFolder.read(path)
    for place in stride(from: 0, to: bytes.count, by: 5) {
      var changed = bytes
      changed[place] ^= 0x40
      try ScratchFolder.put(changed, at: path)
      #expect(ImageIndex(path: path) == nil, "byte \(place)")
    }
    for length in [0, 1, 15, 16, 31, 32, bytes.count - 1] {
      try ScratchFolder.put(Array(bytes.prefix(length)), at: path)
      #expect(ImageIndex(path: path) == nil, "\(length) bytes")
    }
    #expect(ImageIndex(path: folder.file("no.index")) == nil)
  }

  /// A sum that fits proves nothing: counts and ends that do not are no index, and no crash.
  @Test(arguments: [-1, 1, 1 << 40, Int.max]) func aCountThatCannotBeIsRefused(_ count: Int) throws
  {
    func bytes(_ number: UInt64) -> [UInt8] {
      withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
    var file = Array("tessera-images-1".utf8) + bytes(UInt64(bitPattern: Int64(count)))
    // Room for one entry, whose name ends beyond the file.
    if count == 1 { file += [UInt8](repeating: 0, count: 32) + bytes(99) }
    file += bytes(file.withUnsafeBytes { Fingerprint.hash($0) })
    let path = folder.file("made.index")
    try ScratchFolder.put(file, at: path)
    #expect(ImageIndex(path: path) == nil)
  }

  /// Files that are as they were are not opened: that this one is no image any more is not seen.
  @Test func whatIsKnownIsNotOpened() throws {
    let index = try store().index
    try replace("2.png", with: 0, keepsTime: true)
    let known = try store(index)
    #expect(known.count == 6 && known.rejected.isEmpty && known.changed.isEmpty)
    #expect(known.index == index)
    #expect(try store().rejected.map(\.file) == ["2.png"])
    // With another time it is.
    try replace("2.png", with: 0, keepsTime: false)
    #expect(try store(index).rejected.map(\.file) == ["2.png"])
    // Where all images have room they are decoded, as ever.
    try replace("3.png", with: 0, keepsTime: true)
    #expect(try store(index, megabytes: 1).rejected.map(\.file) == ["2.png", "3.png"])
  }

  @Test(arguments: [0, 1]) func changesAreNoticed(_ megabytes: Int) throws {
    let index = try store().index
    #expect(try store(index, megabytes: megabytes).changed.isEmpty)
    // New files, missing ones and a touched one are no changes; other pixels are.
    try folder.writeImage("in/3b.png", tint: 9)
    try FileManager.default.removeItem(atPath: folder.file("in/1.png"))
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1e9)],
      ofItemAtPath: folder.file("in/0.png"))
    try folder.writeImage("in/4.png", tint: 77)
    try folder.writeImage("in/5.png", width: 20, tint: 5)
    let now = try store(index, megabytes: megabytes)
    #expect(now.changed == ["4.png", "5.png"])
    #expect(now.files == ["0.png", "2.png", "3.png", "3b.png", "4.png", "5.png"])
    #expect(try store(now.index, megabytes: megabytes).changed.isEmpty)
    #expect(now.index == (try store().index))
  }

  /// What is known of an image says whether the crop fits, as its header does.
  @Test func whatDoesNotFitIsRefusedUnopened() throws {
    let index = try store().index
    #expect(throws: DatasetError.self) {
      try ImageStore(
        source: ImageSource(path: folder.file("in")), augmentation: Augmentation(size: 11),
        cacheMegabytes: 0, known: index)
    }
  }

  @Test func shardsAreKnownToo() throws {
    func write(_ tint: Int) throws {
      var shard = ScratchShard()
      for (name, tint) in [("a.png", 1), ("b.png", tint)] {
        shard.add(
          name,
          try ImageEncoder().encode(
            ScratchFolder.image(width: 12, height: 10, tint: tint), as: .png))
      }
      try folder.write(shard.archive, to: "s.tar")
    }
    func store(_ known: ImageIndex?) throws -> ImageStore {
      try ImageStore(
        source: ImageSource(path: folder.file("s.tar")), augmentation: Augmentation(size: 8),
        cacheMegabytes: 0, known: known)
    }
    try write(2)
    let index = try store(nil).index
    #expect(try store(index).index == index)
    try write(3)
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: folder.file("s.tar"))
    #expect(try store(index).changed == ["s.tar/b.png"])
  }
}
