import Foundation
import Kernels
import Testing

/// What convolutions read and write: their buffers and `workspace` floats, nothing beside them.
@Suite struct ConvolutionMemoryTests {
  static let cases: [ConvolutionGeometry] = {
    var cases = ConvolutionTests.cases
    for (inputs, outputs) in [(1, 130), (130, 1), (8, 24), (17, 31), (48, 33), (100, 97)] {
      for (batch, height, width) in [(1, 5, 6), (3, 1, 1), (5, 13, 14)] {
        cases.append(WinogradTests.geometry(batch, height, width, inputs, outputs))
      }
    }
    return cases
  }()

  @Test(arguments: cases) func nothingOutsideIsWritten(_ g: ConvolutionGeometry) {
    let data = ConvolutionData(g)
    let results = ConvolutionResults(g, data)
    #expect(results.damage == [:])
    #expect(
      results.inputs == [
        "image": data.image, "filter": data.filter, "bias": data.bias, "gradient": data.gradient,
      ])
  }

  /// Each buffer ends, then begins, at a page where a read is deadly.
  ///
  /// To find the case that fails, print them.
  @Test func nothingOutsideIsRead() async {
    await #expect(processExitsWith: .success) {
      for isEnd in [true, false] {
        for g in ConvolutionMemoryTests.cases {
          convolveAll(g, ConvolutionData(g)) { fenced($1, isEnd: isEnd) }
        }
      }
    }
  }

  @Test(arguments: cases) func whatTheWorkspaceHeldDoesNotMatter(_ g: ConvolutionGeometry) {
    let data = ConvolutionData(g)
    let clean = ConvolutionResults(g, data, scratch: 0).all
    for scratch in [Float.nan, .infinity, -1e30, 1] {
      #expect(ConvolutionResults(g, data, scratch: scratch).all == clean, "\(scratch)")
    }
  }

  /// The guards and the fences themselves.
  @Test func guardsAreSeen() async {
    let buffer = GuardedFloats([1, 2, 3])
    #expect(buffer.content == [1, 2, 3] && buffer.damage == 0)
    for i in [-4096, -1, 3, 4098] { buffer.start[i] = 0 }
    #expect(buffer.content == [1, 2, 3] && buffer.damage == 4)
    await #expect(processExitsWith: .failure) {
      print(fenced([1, 2, 3], isEnd: true)[3])
    }
    await #expect(processExitsWith: .failure) {
      print(fenced([1, 2, 3], isEnd: false)[-1])
    }
    await #expect(processExitsWith: .success) {
      for isEnd in [true, false] {
        let floats = fenced([1, 2, 3], isEnd: isEnd)
        precondition(floats[0] == 1 && floats[2] == 3)
      }
    }
  }
}

/// A copy in pages of its own, between two that may not be touched; never freed.
private func fenced(_ content: [Float], isEnd: Bool) -> UnsafeMutablePointer<Float> {
  let page = Int(getpagesize())
  let bytes = 4 * content.count
  let room = (bytes + page - 1) / page * page
  let pages = UnsafeMutableRawPointer.allocate(byteCount: room + 2 * page, alignment: page)
  precondition(mprotect(pages, page, PROT_NONE) == 0)
  precondition(mprotect(pages + page + room, page, PROT_NONE) == 0)
  let start = pages + page + (isEnd ? room - bytes : 0)
  let floats = start.bindMemory(to: Float.self, capacity: content.count)
  floats.initialize(from: content, count: content.count)
  return floats
}
