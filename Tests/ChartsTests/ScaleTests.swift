import Charts
import Testing

@Suite("Scales")
struct ScaleTests {
  @Test("a linear scale has its ends at 0 and 1")
  func linear() {
    let scale = Scale(.linear, from: 10, to: 30)
    #expect(scale.position(10) == 0 && scale.position(30) == 1 && scale.position(15) == 0.25)
    #expect(scale.position(.nan).isNaN && scale.position(.infinity).isNaN)
  }
}
