import FileTestSupport
import Foundation
import Safetensors
import Testing

@Suite struct FloatTensorsTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  func file<T>(_ type: ElementType, _ values: [T]) throws -> SafetensorsFile {
    let path = folder.file("\(type.rawValue).safetensors")
    let writer = try SafetensorsWriter(
      path: path,
      tensors: [
        TensorDeclaration(name: "decoder.conv_in.weight", type: type, shape: [values.count])
      ])
    try values.withUnsafeBytes { try writer.append($0, to: "decoder.conv_in.weight") }
    try writer.finish()
    return try SafetensorsFile(path: path)
  }

  @Test func halvesWidenExactly() throws {
    let patterns: [UInt16] = [
      0x0000, 0x8000, 0x3C00, 0xC000, 0x7BFF, 0x0001, 0x03FF, 0x0400, 0x7C00, 0xFC00, 0x3555,
    ]
    let expected: [Float] = [
      0, -0.0, 1, -2, 65504, 0x1p-24, 0x3FFp-24, 0x1p-14, .infinity, -.infinity, 0x1.554p-2,
    ]
    let found = try file(.f16, patterns).floats("decoder.conv_in.weight")
    #expect(found.map(\.bitPattern) == expected.map(\.bitPattern))
    #expect(try file(.f16, [UInt16(0x7E00)]).floats("decoder.conv_in.weight")[0].isNaN)
  }

  @Test func brainFloatsAreTheUpperHalf() throws {
    let found = try file(.bf16, [UInt16(0x3F80), 0xC049, 0x7F80]).floats("decoder.conv_in.weight")
    #expect(found == [1, -3.140625, .infinity])
  }

  @Test func doublesRoundAndMayNotOverflow() throws {
    let good = try file(.f64, [0.1, -.infinity, 1e-300]).floats("decoder.conv_in.weight")
    #expect(good == [0.1, -.infinity, 0])
    let bad = try file(.f64, [1, 1e300])
    #expect(
      throws: SafetensorsError.outOfRange(
        path: bad.path, name: "decoder.conv_in.weight", index: 1, value: 1e300)
    ) { try bad.floats("decoder.conv_in.weight") }
  }

  @Test func integersAreNoFloats() throws {
    let file = try file(.i64, [1, 2])
    let error = #expect(throws: SafetensorsError.self) {
      try file.floats("decoder.conv_in.weight")
    }
    #expect(error?.description.contains("is I64, expected floating-point") == true)
  }

  @Test func otherShapesAndNamesAreExplained() throws {
    let file = try file(.f32, [Float(1), 2])
    let shape = #expect(throws: SafetensorsError.self) {
      try file.floats("decoder.conv_in.weight", shape: [2, 1])
    }
    #expect(shape?.description.contains("has shape [2], expected [2, 1]") == true)

    let near = #expect(throws: SafetensorsError.self) {
      try file.floats("decoder.conv_in.weights")
    }
    #expect(near?.description.contains(#"did you mean "decoder.conv_in.weight"?"#) == true)

    let far = #expect(throws: SafetensorsError.self) { try file.withBytes(of: "zzz") { $0.count } }
    #expect(far?.description.contains("none of its 1 tensors has a similar name") == true)
  }
}
