import FileTestSupport
import Foundation
import Imaging
import SceneRendering
import Synchronization
import Testing

@Suite struct SceneDatasetTests {
  /// A data set's folder, which is not there yet.
  private struct Folder {
    let scratch: ScratchFolder
    let path: String

    init() throws {
      scratch = try ScratchFolder()
      path = scratch.file("scenes")
    }

    func names(_ part: String) throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: path + "/" + part).sorted()
    }

    func bytes(_ file: String) throws -> [UInt8] { try ScratchFolder.read(path + "/" + file) }

    func records() throws -> [SceneRecord] {
      try bytes(SceneDataset.factorsFile).split(separator: UInt8(ascii: "\n")).map {
        try JSONDecoder().decode(SceneRecord.self, from: Data($0))
      }
    }
  }

  @Test func writesWhatItSays() throws {
    let folder = try Folder()
    let seen = Mutex<[Int]>([])
    let outcome = try SceneDataset.write(
      count: 5, validation: 2, size: 16, seed: 3, to: folder.path
    ) { done, all in
      #expect(all == 7)
      seen.withLock { $0.append(done) }
    }
    #expect(outcome == .written)
    #expect(seen.withLock { $0 } == Array(1...7))
    #expect(
      try folder.names("train") == [
        "scene-00000.png", "scene-00001.jpg", "scene-00002.png", "scene-00003.jpg",
        "scene-00004.png",
      ])
    #expect(try folder.names("validation") == ["scene-00000.png", "scene-00001.jpg"])
    let records = try folder.records()
    #expect(records.count == 7)
    for record in records {
      let bytes = try folder.bytes(record.file)
      #expect(ImageFormat(startOf: bytes) == (record.file.hasSuffix("png") ? .png : .jpeg))
      let image = try ImageDecoder().decode(bytes, name: record.file)
      let rendered = SceneRenderer.render(record.scene, size: record.size)
      #expect(image.width == 16 && image.height == 16)
      if record.file.hasSuffix("png") { #expect(image == rendered) }
    }
  }

  @Test func sameSeedSameBytes() throws {
    let one = try Folder()
    let two = try Folder()
    try SceneDataset.write(count: 4, validation: 2, size: 12, seed: 3, to: one.path)
    // More training images change neither the first ones nor the validation images.
    try SceneDataset.write(count: 6, validation: 2, size: 12, seed: 3, to: two.path)
    for record in try one.records() {
      #expect(try one.bytes(record.file) == two.bytes(record.file))
    }
    let three = try Folder()
    try SceneDataset.write(count: 4, validation: 2, size: 12, seed: 4, to: three.path)
    #expect(
      try one.bytes("train/scene-00000.png") != three.bytes("train/scene-00000.png"))
  }

  @Test func trainingAndValidationShareNoScene() {
    let records = (0..<60).map {
      SceneRecord(index: $0, trainingCount: 30, size: 8, seed: 1)
    }
    for index in 0..<30 { #expect(records[index].scene != records[30 + index].scene) }
  }

  @Test func secondCallTouchesNothing() throws {
    let folder = try Folder()
    try SceneDataset.write(count: 3, validation: 1, size: 12, seed: 3, to: folder.path)
    let again = try SceneDataset.write(
      count: 3, validation: 1, size: 12, seed: 3, to: folder.path
    ) { _, _ in Issue.record("nothing is to be rendered") }
    #expect(again == .alreadyThere)
  }

  @Test func unfinishedFolderIsFinished() throws {
    let folder = try Folder()
    try SceneDataset.write(count: 3, validation: 1, size: 12, seed: 3, to: folder.path)
    let whole = try folder.bytes("train/scene-00001.jpg")
    try ScratchFolder.put([], at: folder.path + "/train/scene-00001.jpg")
    #expect(
      try SceneDataset.write(count: 3, validation: 1, size: 12, seed: 3, to: folder.path)
        == .written)
    #expect(try folder.bytes("train/scene-00001.jpg") == whole)
  }

  @Test func smallerSetLeavesNoStrangers() throws {
    let folder = try Folder()
    try SceneDataset.write(count: 5, validation: 3, size: 12, seed: 3, to: folder.path)
    try ScratchFolder.put(Array("x".utf8), at: folder.path + "/train/mine.png")
    try SceneDataset.write(count: 2, validation: 0, size: 12, seed: 3, to: folder.path)
    // Files that the data set has not written stay.
    #expect(
      try folder.names("train") == ["mine.png", "scene-00000.png", "scene-00001.jpg"])
    #expect(try folder.names("validation").isEmpty)
    #expect(try folder.records().count == 2)
  }

  @Test func badRequestsAreErrors() throws {
    #expect(throws: SceneDatasetError.noImages(count: 0, validation: 0)) {
      try SceneDataset.write(count: 0, validation: 0, seed: 1, to: "/nowhere")
    }
    #expect(throws: SceneDatasetError.badSize(4)) {
      try SceneDataset.write(count: 1, validation: 0, size: 4, seed: 1, to: "/nowhere")
    }
    let folder = try Folder()
    try ScratchFolder.put(Array("x".utf8), at: folder.path)
    let error = #expect(throws: SceneDatasetError.self) {
      try SceneDataset.write(count: 1, validation: 0, seed: 1, to: folder.path)
    }
    #expect(error?.description.contains(folder.path) == true)
  }
}
