import Tessera
import Testing

/// Shapes that do not fit are thrown with the name of the layer, and end no program.
struct ShapeFaultTests {
  /// Records something that makes a tensor of an input, and returns what was thrown.
  private func fault(
    _ shape: Shape, type: ElementType = .float32, _ make: @escaping (Tensor, Scope) -> Tensor
  ) -> TesseraError? {
    do {
      _ = try Model { scope in
        let y = make(scope.graph.input("x", shape, type: type), scope)
        return Model.Recording(loss: (y * y).mean())
      }
      return nil
    } catch { return error as? TesseraError }
  }

  @Test("layers name themselves")
  func layers() {
    func expect(
      _ words: String..., shape: Shape = [2, 4, 4, 6], _ make: @escaping (Tensor, Scope) -> Tensor
    ) {
      let error = fault(shape, make)
      #expect(error?.kind == .argument)
      for word in words {
        #expect(error?.description.contains(word) == true, "\(error as Any)")
      }
    }
    expect("first", "6") { Conv2D(3, 8, in: $1["first"])($0) }
    expect("hidden", "6") { Linear(5, 8, in: $1["hidden"])($0) }
    expect("norm", "groups") { GroupNorm(6, groups: 4, in: $1["norm"])($0) }
    expect("block") { ResidualBlock(4, 6, groups: 2, in: $1["block"])($0) }
    expect("attend", shape: [2, 16, 6]) { AttentionBlock(6, groups: 2, in: $1["attend"])($0) }
    expect("down") { Downsample(3, in: $1["down"])($0) }
    expect("up") { Upsample(3, in: $1["up"])($0) }
    expect("declared twice") {
      Linear(6, 6, in: $1["same"])(Linear(6, 6, in: $1["same"])($0))
    }
    expect("extents are at least 1") { Conv2D(6, 0, in: $1["empty"])($0) }
    expect("stride") { Conv2D(6, 6, stride: 0, in: $1["still"])($0) }
    expect("extents are at least 1", shape: [2, 0, 4, 6]) { x, _ in x }
    expect("extents are at least 1", shape: [2, -1, 4, 6]) { x, _ in x }
    expect("extents are at least 1", shape: [1 << 40, 1 << 40]) { x, _ in x }
    // What comes after the fault does not hide it.
    expect("first") {
      let h = Conv2D(3, 8, in: $1["first"])($0)
      return AttentionBlock(8, groups: 2, in: $1["attend"])(Upsample(8, in: $1["up"])(h))
    }
  }

  @Test("operations are refused on whatever shapes, and none ends the program")
  func operations() {
    let shapes: [Shape] = [
      [1], [3], [2, 3], [3, 2], [2, 3, 4], [2, 4, 4, 3], [1, 1, 1, 1], [2, 5, 5, 6],
      [2, 2, 2, 2, 2],
    ]
    let operations: [(Tensor, Tensor) -> Tensor] = [
      { $0 + $1 }, { $0 / $1 }, { matrixProduct($0, $1) },
      { matrixProduct($0, $1, transposingSecond: true) },
      { attention(query: $0, key: $1, value: $1, heads: 2) },
      { attention(query: $0, key: $0, value: $1, isCausal: true) },
      { a, _ in a.slice(1..<3, axis: 1) }, { a, _ in a.slice(-1..<1, axis: 0) },
      { a, _ in a.slice(0..<1, axis: 7) }, { Tensor.concatenating([$0, $1], axis: 1) },
      { Tensor.concatenating([$0, $1], axis: -1) }, { a, _ in a.mean(axis: 2) },
      { a, _ in a.maximum(axis: -3) }, { a, _ in a.permuted([1, 0]) },
      { a, _ in a.permuted([0, 0, 1]) }, { $0.broadcast(to: $1.shape) },
      { a, _ in a.averagePooled(by: 2) }, { a, _ in a.maximumPooled(by: 0) },
      { a, _ in a.reshaped([5, 5]) }, { a, _ in a.reshaped([-1, 3]) },
      { a, _ in a.upsampled(by: 0) }, { a, _ in a.upsampled(by: 2) },
      { a, _ in a.repeated(0, at: 1) }, { a, _ in a.repeated(2, at: 9) },
      { a, _ in a.softmax(scale: 1, isCausal: true) }, { meanSquaredError($0, $1) },
      { crossEntropy($0, $1) }, { a, b in a.convolved(with: b, bias: b, Convolution()) },
      { a, b in a.convolved(with: b, bias: a, Convolution(stride: 2)) },
      { a, _ in a.channels(0..<9) }, { a, _ in a.channels(1..<1) },
    ]
    var refused = 0
    for first in shapes {
      for second in shapes {
        for operation in operations {
          do {
            _ = try Model { scope in
              let (a, b) = (scope.graph.input("a", first), scope.graph.input("b", second))
              // A parameter, so that there is something to train where the shapes fit.
              let scale = scope.parameter("scale", [1], .constant(1))
              let y = operation(a, b)
              return Model.Recording(loss: (y * y).mean() * scale.reshaped(Shape.scalar))
            }
          } catch let error as TesseraError {
            #expect(error.kind == .argument, "\(error)")
            refused += 1
          } catch {
            Issue.record("\(error)")
          }
        }
      }
    }
    #expect(refused > 500)
  }
}
