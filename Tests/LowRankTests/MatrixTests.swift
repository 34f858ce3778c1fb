import LowRank
import Testing

/// Matrices against their definitions, and kernels seen as matrices.
@Suite struct MatrixTests {
  @Test func arithmetic() {
    let a = Matrix([[1, 2, 3], [4, 5, 6]])
    #expect(a[1, 2] == 6 && a.transposed == Matrix([[1, 4], [2, 5], [3, 6]]))
    #expect(a.times(a.transposed) == Matrix([[14, 32], [32, 77]]))
    #expect(a.transposed.times(a) == Matrix([[17, 22, 27], [22, 29, 36], [27, 36, 45]]))
    #expect(a.minus(a) == Matrix(rows: 2, columns: 3) { _, _ in 0 })
    #expect(a.scaled(by: 2)[0, 1] == 4)
    #expect(abs(a.frobeniusNorm - 91.0.squareRoot()) < 1e-14)
    #expect(a.selecting(columns: [2, 0]) == Matrix([[3, 1], [6, 4]]))
    #expect(a.selecting(rows: [1, 1]) == Matrix([[4, 5, 6], [4, 5, 6]]))
    expect(a.columnNorms, [17, 29, 45].map { $0.squareRoot() }, 1e-14)
    expect(a.rowNorms, [14, 77].map { $0.squareRoot() }, 1e-14)
    #expect(a.isFinite && !Matrix([[1, .nan]]).isFinite && !Matrix([[-.infinity]]).isFinite)
  }

  @Test func largeTransposeAndProduct() {
    let (a, b) = (Matrix.random(70, 45, seed: 1), Matrix.random(45, 33, seed: 2))
    let turned = a.transposed
    let isTurned = (0..<70).allSatisfy { row in
      (0..<45).allSatisfy { turned[$0, row] == a[row, $0] }
    }
    #expect(isTurned)
    let product = Matrix(rows: 70, columns: 33) { row, column in
      (0..<45).reduce(0) { $0 + a[row, $1] * b[$1, column] }
    }
    #expect(a.times(b).distance(product) < 1e-12)
  }

  @Test func emptyMatrices() {
    let none = Matrix(rows: 3, columns: 0, elements: [])
    #expect(none.times(none.transposed) == Matrix(rows: 3, columns: 3) { _, _ in 0 })
    #expect(none.transposed.times(none).elements.isEmpty && none.frobeniusNorm == 0)
    #expect(none.rowNorms == [0, 0, 0] && none.columnNorms.isEmpty && none.isFinite)
    #expect(none.selecting(columns: []) == none)
  }

  @Test func normsDoNotOverflow() {
    #expect(abs(Matrix([[3e200, 4e200]]).frobeniusNorm / 5e200 - 1) < 1e-14)
    #expect(abs(Matrix([[3e-200], [4e-200]]).columnNorms[0] / 5e-200 - 1) < 1e-14)
  }

  @Test("LR-8: a kernel of two outputs as a matrix")
  func unfolding() throws {
    // The fixture's kernel is [outputs, height, width, inputs], filled in that order.
    let shape = KernelShape(height: 3, width: 3, inputs: 2, outputs: 2)
    var kernel = [Float](repeating: 0, count: shape.count)
    for output in 0..<2 {
      for place in 0..<18 { kernel[place * 2 + output] = Float((output * 18 + place) % 5 - 2) }
    }
    let matrix = Matrix(kernel: kernel, shape: shape, unfolding: .byOutput)
    #expect(matrix.elements == (0..<36).map { Double($0 % 5 - 2) })
    let factors = try SingularValueDecomposition(matrix)
    expect(factors.values, [7.49032530499, 4.23025139034])
    #expect(abs(factors.error(rank: 1) / matrix.frobeniusNorm - 0.49175673542) < 1e-9)
  }

  @Test(arguments: KernelUnfolding.allCases)
  func kernelsComeBack(unfolding: KernelUnfolding) {
    let shape = KernelShape(height: 2, width: 3, inputs: 4, outputs: 5)
    let kernel = (0..<shape.count).map { Float($0) }
    let matrix = Matrix(kernel: kernel, shape: shape, unfolding: unfolding)
    #expect(matrix.kernel(shape: shape, unfolding: unfolding) == kernel)
    // Element [1, 2, 3, 4] of the kernel.
    let weight = Double(((1 * 3 + 2) * 4 + 3) * 5 + 4)
    switch unfolding {
    case .byOutput: #expect(matrix.rows == 5 && matrix[4, (1 * 3 + 2) * 4 + 3] == weight)
    case .byInput: #expect(matrix.columns == 4 && matrix[(1 * 3 + 2) * 5 + 4, 3] == weight)
    }
  }

  /// One convolution by two: the first has the window, or the second.
  @Test(arguments: KernelUnfolding.allCases)
  func factorsAreKernels(unfolding: KernelUnfolding) throws {
    let shape = KernelShape(height: 2, width: 2, inputs: 3, outputs: 4)
    let kernel = Matrix.random(1, shape.count, seed: 3).elements.map(Float.init)
    let matrix = Matrix(kernel: kernel, shape: shape, unfolding: unfolding)
    let rank = min(matrix.rows, matrix.columns)
    let (left, right) = try SingularValueDecomposition(matrix).factors(rank: rank)
    let wide = unfolding == .byOutput
    let firstShape = KernelShape(
      height: wide ? 2 : 1, width: wide ? 2 : 1, inputs: 3, outputs: rank)
    let secondShape = KernelShape(
      height: wide ? 1 : 2, width: wide ? 1 : 2, inputs: rank, outputs: 4)
    let first = right.kernel(shape: firstShape, unfolding: .byOutput)
    let second = left.kernel(shape: secondShape, unfolding: .byInput)
    for place in 0..<4 {
      for (input, output) in [(0, 0), (1, 3), (2, 2)] {
        let sum = (0..<rank).reduce(Float(0)) { sum, middle in
          let a = first[((wide ? place : 0) * 3 + input) * rank + middle]
          let b = second[((wide ? 0 : place) * rank + middle) * 4 + output]
          return sum + a * b
        }
        #expect(abs(sum - kernel[(place * 3 + input) * 4 + output]) < 1e-5)
      }
    }
  }
}
