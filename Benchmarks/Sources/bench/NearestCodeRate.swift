import Autodiff
import Execution
import Kernels
import Reports

/// The search for the nearest code beside the bare product of vectors and codebook.
struct NearestCodeRate: Codable {
  /// Vectors, codes, and numbers in each.
  let vectors: Int
  let codes: Int
  let dimension: Int
  /// Seconds of the search, the codes' norms being there.
  let seconds: Double
  /// Seconds of sgemm alone, in blocks whose results stay in the cache.
  let productSeconds: Double
  /// Bytes of memory besides vectors, codebook and ids.
  let extraBytes: Int

  /// Measures a small codebook and the largest.
  static func measure() -> [NearestCodeRate] {
    [(16384, 1024), (16384, 65536)].map { vectors, codes in
      say("nearest of \(codes) codes for \(vectors) vectors")
      return measure(vectors: vectors, codes: codes, dimension: 8)
    }
  }

  private static func measure(vectors: Int, codes: Int, dimension: Int) -> NearestCodeRate {
    let graph = Graph()
    let z = graph.input("z", [vectors, dimension])
    let codebook = Scope(graph).parameter("codebook", [codes, dimension], .uniform(bound: 1))
    let traced = TracedGraph(graph, outputs: ["indices": z.nearestCodes(in: codebook)])
    let row = traced.rows(times: 5).first { $0.name == "nearest code" }!
    return NearestCodeRate(
      vectors: vectors, codes: codes, dimension: dimension, seconds: row.seconds,
      productSeconds: productSeconds(vectors, codes, dimension),
      extraBytes: 4 * (traced.arenaWords - vectors * (dimension + 1)))
  }

  /// The whole product in blocks, the best of several block sizes; every block's result is
  /// written over the last one's.
  private static func productSeconds(_ vectors: Int, _ codes: Int, _ dimension: Int) -> Double {
    let (z, e) = (randomNumbers(vectors * dimension), randomNumbers(codes * dimension))
    var best = Double.infinity
    for (rows, columns) in [(64, 512), (64, 2048), (256, 512), (256, 1024), (1024, 1024)] {
      var block = [Float](repeating: 0, count: rows * columns)
      let seconds = medianSeconds {
        z.withUnsafeBufferPointer { z in
          e.withUnsafeBufferPointer { e in
            for row in stride(from: 0, to: vectors, by: rows) {
              for column in stride(from: 0, to: codes, by: columns) {
                gemm(
                  rows, columns, dimension, z.baseAddress! + row * dimension, leading: dimension,
                  transposed: false, e.baseAddress! + column * dimension, leading: dimension,
                  transposed: true,
                  into: &block, leading: columns)
              }
            }
          }
        }
      }
      best = min(best, seconds)
    }
    return best
  }

  /// The searches as Markdown.
  static func table(_ rates: [NearestCodeRate]) -> String {
    var table = MarkdownTable([
      "nearest code", "vectors", "ms", "sgemm ms", "ratio", "GFLOP/s", "extra memory",
    ])
    for rate in rates {
      let operations = 2 * Double(rate.vectors * rate.codes * rate.dimension)
      table.add([
        "\(rate.codes) x \(rate.dimension)", String(rate.vectors),
        Cell.decimals(rate.seconds * 1e3, 1), Cell.decimals(rate.productSeconds * 1e3, 1),
        Cell.decimals(rate.seconds / rate.productSeconds, 2),
        Cell.decimals(operations / rate.seconds / 1e9, 1),
        Cell.decimals(Double(rate.extraBytes) / 1e6, 2) + " MB",
      ])
    }
    return table.text
      + "\n\nOne thread. sgemm is OpenBLAS alone on blocks that stay in the cache, the best of five "
      + "block sizes; nothing looks at its results."
  }
}
