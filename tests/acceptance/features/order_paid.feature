Feature: An order is paid
  Who orders is charged once and told once, whatever is lost on the way.

  Scenario: The provider charges the card and its answer gets lost
    Given the payment provider's next answer gets lost
    When a customer orders tea for 25.00 EUR
    And the platform does its work
    Then every order is paid
    And every customer was charged once
    And every customer has one receipt over 25.00 EUR
