import FileTestSupport
import Foundation
import Safetensors
import Testing
import TokenFiles

/// Labels and classes that contradict each other or the images.
@Suite struct DamagedLabelTests {
  let folder: ScratchFolder
  let identity = Samples.identity(codes: 300)

  init() throws { folder = try ScratchFolder() }

  private func says(_ text: String, opening path: String) {
    let error = #expect(throws: TokenFileError.self) { try TokenFile.open(path: path) }
    let found = error?.description ?? ""
    #expect(found.contains(text), "\(found)")
    #expect(
      found.contains(path) || found.contains(folder.file("t.npy.json"))
        || found.contains(folder.file("t.bin.json")), "\(found)")
  }

  /// Writes two images with whatever labels and classes.
  private func file(
    _ labels: [Int32]?, _ classes: String?, type: ElementType = .i32, shape: [Int]? = nil,
    isBare: Bool = false
  ) throws -> String {
    let path = folder.file("t.safetensors")
    var metadata = [
      "format_version": "1", "fingerprint": "ab", "quantizer": "vq", "codebook_size": "9",
      "downsampling": "8",
    ]
    if isBare { metadata = [:] }
    metadata["classes"] = classes
    var tensors = [TensorDeclaration(name: "tokens", type: .u8, shape: [2, 1, 1])]
    if let labels {
      tensors.append(
        TensorDeclaration(name: "labels", type: type, shape: shape ?? [labels.count]))
    }
    let writer = try SafetensorsWriter(path: path, tensors: tensors, metadata: metadata)
    for entry in writer.entries {
      let bytes =
        entry.name == "tokens"
        ? [0, 1] : (labels ?? []).withUnsafeBytes { Array($0.prefix(entry.range.count)) }
      try bytes.withUnsafeBytes { try writer.append($0, to: entry.name) }
    }
    try writer.finish()
    return path
  }

  private static let two = #"["a","b"]"#

  @Test func labelsMustFitTheImagesAndTheClasses() throws {
    for (labels, says) in [
      ([0], "it holds 2 images but \"labels\" of 1"),
      ([0, 1, 0], "it holds 2 images but \"labels\" of 3"),
      ([], "it holds 2 images but \"labels\" of 0"),
      (
        [1, 2],
        "the label of image 1 is 2, expected -1 (no class) or 0 to 1, an index of \"classes\""
      ),
      ([-2, 0], "the label of image 0 is -2"), ([.max, 0], "the label of image 0 is 2147483647"),
      ([.min, 0], "the label of image 0 is -2147483648"),
    ] as [([Int32], String)] {
      self.says(says, opening: try file(labels, Self.two))
    }
    says("expected -1, as there are no classes", opening: try file([0, -1], "[]"))
    #expect(try TokenFile.open(path: file([-1, 1], Self.two)).records.map(\.label) == [nil, 1])
    #expect(try TokenFile.open(path: file([-1, -1], "[]")).classes.isEmpty)
  }

  @Test func labelsAreWholeNumbersOf32Bits() throws {
    for (type, count) in [
      (ElementType.f32, 2), (.u32, 2), (.i64, 4), (.i16, 1), (.u8, 1), (.bool, 1),
    ] {
      let labels = [Int32](repeating: 0, count: count)
      says(
        "\"labels\" is \(type.rawValue) [2], expected I32 [N]",
        opening: try file(labels, Self.two, type: type, shape: [2]))
    }
    says("is I32 [2, 1], expected I32 [N]", opening: try file([0, 1], Self.two, shape: [2, 1]))
    says("is I32 [], expected I32 [N]", opening: try file([0], Self.two, shape: []))
  }

  @Test func classesAreNamesThatDiffer() throws {
    for (classes, says) in [
      ("a, b", "\"classes\": expected the JSON of text, found a, b"),
      ("{\"a\": 0, \"b\": 1}", "expected the JSON of text"), ("[0, 1]", "expected the JSON"),
      ("[\"a\", null]", "expected the JSON"), ("", "expected the JSON"),
      ("[\"a\", \"b\", \"a\"]", "\"classes\": expected each name once, found \"a\" twice"),
    ] {
      self.says(says, opening: try file([0, 1], classes))
    }
  }

  @Test func oneNeedsTheOther() throws {
    says("\"classes\": it is missing, but there are \"labels\"", opening: try file([0, 1], nil))
    says("it has \"classes\", but no \"labels\"", opening: try file(nil, Self.two))
    says("it has \"classes\", but no \"labels\"", opening: try file(nil, "[]"))
  }

  /// Labels of a file without metadata are another program's, of whatever type.
  @Test func idsOfAnotherProgramMayHaveLabelsOfTheirOwn() throws {
    let assumption = TokenAssumption(identity: identity, gridHeight: 1, gridWidth: 1)
    for (type, count) in [(ElementType.i64, 4), (.i32, 2), (.f32, 2)] {
      let path = try file(
        [Int32](repeating: 7, count: count), nil, type: type, shape: [2], isBare: true)
      let file = try TokenFile.open(path: path, assuming: assumption)
      #expect(file.isAssumed && file.classes.isEmpty)
      #expect(try file.records.map(\.label) == [nil, nil])
    }
  }

  @Test(arguments: [TokenFormat.npy, .bin]) func aSidecarIsCheckedAlike(
    _ format: TokenFormat
  ) throws {
    let path = folder.file("t.\(format)")
    let records = Samples.labelled(Samples.uniform(2, identity), classCount: 2)
    try Samples.write(records, to: path, format, identity, classes: ["a", "b"])
    let sidecar = folder.file("t.\(format).json")
    let text = String(decoding: try ScratchFolder.read(sidecar), as: UTF8.self)
    let (labels, classes) = (#""labels":[-1,0],"#, #""classes":["a","b"],"#)
    try #require(text.contains(labels) && text.contains(classes))
    for (old, new, says) in [
      (labels, #""labels":[-1],"#, "it holds 2 images but \"labels\" of 1"),
      (labels, #""labels":[-1,2],"#, "the label of image 1 is 2"),
      (labels, #""labels":[-1,4294967296],"#, "the label of image 1 is 4294967296"),
      (labels, #""labels":[-1,0.5],"#, "metadata \"labels.Index 1\": expected an integer"),
      (labels, #""labels":[-1,"a"],"#, "expected an integer"),
      (labels, #""labels":[-1,1e99],"#, "expected an integer"),
      (labels, #""labels":"ab","#, "metadata \"labels\""),
      (labels, "", "it has \"classes\", but no \"labels\""),
      (classes, #""classes":["a","a"],"#, "found \"a\" twice"),
      (classes, #""classes":["a",1],"#, "metadata \"classes"),
      (classes, #""classes":"[\"a\",\"b\"]","#, "metadata \"classes\""),
      (classes, "", "\"classes\": it is missing"),
    ] {
      try folder.write(text.replacing(old, with: new), to: "t.\(format).json")
      self.says(says, opening: path)
    }
    try folder.write(
      text.replacing(labels, with: "").replacing(classes, with: ""), to: "t.\(format).json")
    #expect(try TokenFile.open(path: path).classes.isEmpty)
  }
}
