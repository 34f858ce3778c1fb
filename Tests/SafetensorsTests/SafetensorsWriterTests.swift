import FileTestSupport
import Foundation
import Safetensors
import Testing

@Suite struct SafetensorsWriterTests {
  let folder: ScratchFolder
  let path: String

  init() throws {
    folder = try ScratchFolder()
    path = folder.file("model.safetensors")
    try ScratchFolder.put([1, 2, 3], at: path)
  }

  func declared(_ tensors: [TensorDeclaration]) throws -> SafetensorsWriter {
    try SafetensorsWriter(path: path, tensors: tensors)
  }

  let two = [
    TensorDeclaration(name: "a", type: .f32, shape: [2]),
    TensorDeclaration(name: "b", type: .f32, shape: [1]),
  ]

  /// The file that was there is whole, and nothing else is left.
  func expectUntouched() throws {
    #expect(try ScratchFolder.read(path) == [1, 2, 3])
    #expect(try folder.contents() == ["model.safetensors"])
  }

  @Test(arguments: [
    [TensorDeclaration(name: "a", type: .u8, shape: [1]), .init(name: "a", type: .u8, shape: [])],
    [TensorDeclaration(name: "__metadata__", type: .u8, shape: [1])],
    [TensorDeclaration(name: "a", type: .u8, shape: [-1])],
    [TensorDeclaration(name: "a", type: .f64, shape: [Int.max])],
    [
      TensorDeclaration(name: "a", type: .u8, shape: [Int.max]),
      TensorDeclaration(name: "b", type: .u8, shape: [Int.max]),
    ],
  ])
  func impossibleDeclarationsAreRefused(_ tensors: [TensorDeclaration]) throws {
    let error = #expect(throws: SafetensorsError.self) { try declared(tensors) }
    #expect(error?.description.hasPrefix("cannot write \(path): the ") == true)
    try expectUntouched()
  }

  @Test func tooFewBytesAreRefused() throws {
    let writer = try declared(two)
    try writer.append([1, 2], to: "a")
    let error = #expect(throws: SafetensorsError.self) { try writer.finish() }
    #expect(error?.description.contains("\"b\" is incomplete, 0 of 4 bytes came") == true)
    try expectUntouched()
  }

  @Test func tooManyBytesAreRefused() throws {
    let writer = try declared(two)
    try writer.append([1], to: "a")
    let error = #expect(throws: SafetensorsError.self) { try writer.append([2, 3], to: "a") }
    #expect(error?.description.contains("takes 8 bytes, and 12 came") == true)
    #expect(throws: SafetensorsError.self, "and the refusal stays") { try writer.finish() }
    try expectUntouched()
  }

  @Test func bytesOutOfTurnAreRefused() throws {
    let writer = try declared(two)
    let error = #expect(throws: SafetensorsError.self) { try writer.append([1], to: "b") }
    #expect(error?.description.contains("\"b\" while \"a\" is due") == true)
    try expectUntouched()
  }

  @Test func floatsGoIntoF32Only() throws {
    let writer = try declared([TensorDeclaration(name: "a", type: .i32, shape: [1])])
    #expect(throws: SafetensorsError.self) { try writer.append([1], to: "a") }
    try expectUntouched()
  }

  @Test func forgettingToFinishChangesNothing() throws {
    do {
      let writer = try declared(two)
      try writer.append([1, 2], to: "a")
    }
    try expectUntouched()
  }
}
