import Datasets
import FileTestSupport
import Files
import Foundation
import Imaging
import Testing

/// Images that a text file names.
@Suite struct ListTests {
  private let folder: ScratchFolder

  init() throws {
    folder = try ScratchFolder()
    for index in 0..<6 { try folder.writeImage("photos/c\(index % 2)/\(index).png", tint: index) }
  }

  private func error(_ text: String) throws -> ListError? {
    try folder.write(text, to: "photos/bad.txt")
    do {
      _ = try ImageSource(path: folder.file("photos/bad.txt"))
      return nil
    } catch DatasetError.list(let error) { return error }
  }

  private func dataset(_ train: String, _ validation: String? = nil) throws -> Dataset {
    try Dataset(
      train: folder.file(train), validation: validation.map(folder.file), validationShare: 0,
      seed: 1, augmentation: .init(size: 8), cacheMegabytes: 1)
  }

  @Test func pathsAndLabels() throws {
    let far = folder.file("photos/c1/5.png")
    try folder.write(
      "c1/3.png\tred fox\r\n./c0/2.png\n\nc0/0.png\t\n\(far)\t7\nc1/3.png\tother\n",
      to: "photos/list.tsv")
    let found = try ImageSource(path: folder.file("photos/list.tsv"))
    #expect(found.files == [far, "c0/0.png", "c0/2.png", "c1/3.png"])
    #expect(found.files.indices.map(found.className) == ["7", nil, nil, "red fox"])
    #expect(found.location(0).file == far)
    #expect(found.location(1).file == folder.file("photos/c0/0.png"))
    #expect(found.notes == ["\(folder.file("photos/list.tsv")): 1 line names an image again"])
    // Without labels, folders are classes as everywhere.
    try folder.write("c0/0.png\nc1/1.png", to: "photos/plain.txt")
    let plain = try ImageSource(path: folder.file("photos/plain.txt"))
    #expect(plain.files.indices.map(plain.className) == ["c0", "c1"])
    #expect(!plain.hasLabels && found.hasLabels)
  }

  /// A list of all files is the folder: the same names, order and split.
  @Test func aListOfAFolderIsTheFolder() throws {
    let names = try ImageFolder(path: folder.file("photos")).files
    try folder.write(names.reversed().joined(separator: "\n"), to: "photos/all.txt")
    for share in [0.0, 0.5] {
      let sets = try ["photos", "photos/all.txt"].map {
        try Dataset(
          train: folder.file($0), validationShare: share, seed: 1, augmentation: .init(size: 8),
          cacheMegabytes: 1)
      }
      #expect(sets[0].training.files == sets[1].training.files)
      #expect(sets[0].validation.files == sets[1].validation.files)
    }
  }

  /// What a list holds out is not trained on, whatever it is named relative to.
  @Test func aListHoldsOut() throws {
    try folder.write("photos/c0/0.png\n./photos/c0/../c1/3.png\n", to: "held.txt")
    let data = try dataset("photos", "held.txt")
    #expect(data.training.files == ["c0/2.png", "c0/4.png", "c1/1.png", "c1/5.png"])
    #expect(data.validation.files == ["photos/c0/../c1/3.png", "photos/c0/0.png"])
    try folder.write("c0/0.png\nc0/4.png\n", to: "photos/some.txt")
    #expect(try dataset("photos/some.txt", "held.txt").training.files == ["c0/4.png"])
    try folder.write("c0/0.png\n", to: "photos/one.txt")
    #expect(
      throws: DatasetError.list(
        .allHeldOut(path: folder.file("photos/one.txt"), list: folder.file("held.txt")))
    ) { try dataset("photos/one.txt", "held.txt") }
    // A folder holds out what is in it, and is trained on too where it is part of the other.
    #expect(try dataset("photos", "photos/c0").training.files.count == 6)
  }

  @Test func mistakes() throws {
    let path = folder.file("photos/bad.txt")
    #expect(try error("") == .empty(path: path))
    #expect(try error("\n\r\n") == .empty(path: path))
    #expect(try error("c0/0.png\n\tlabel") == .noPath(path: path, line: 2))
    try folder.write([99, 48, 10, 0xFF, 0xFE, 10], to: "photos/latin.txt")
    #expect(throws: DatasetError.list(.notText(path: folder.file("photos/latin.txt"), line: 2))) {
      try ImageSource(path: folder.file("photos/latin.txt"))
    }
    let missing = try error((1...9).map { "no \($0).png" }.joined(separator: "\n") + "\nc0/0.png")
    #expect(
      missing
        == .missing(path: path, first: (1...5).map { "no \($0).png" }, count: 9, of: 10))
    #expect(
      missing?.description.contains("9 of the 10 files that it names are missing: no 1.png") == true
    )
    try folder.write("x", to: "words.md")
    #expect(throws: DatasetError.notAFolder(path: folder.file("words.md"))) {
      try ImageSource(path: folder.file("words.md"))
    }
  }
}
